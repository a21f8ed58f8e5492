# What every config shares: registration, hooks, environment, logging.
custom_imports = dict(imports=["swahr_mmpose"], allow_failed_imports=False)
default_scope = "mmpose"
# The inferencer needs to know that samples are whole images.
data_mode = "bottomup"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="AtomicCheckpointHook", interval=10, max_keep_ckpts=3),
    finite_losses=dict(type="FiniteLossesHook"),
    epoch_seed=dict(type="EpochSeedHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="BottomupVisualizationHook", enable=False),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)

vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="BottomupVisualizer", vis_backends=vis_backends, name="visualizer")

log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True, num_digits=6)
# without a seed of its own a resumed training would draw other random numbers
randomness = dict(seed=0)
log_level = "INFO"
load_from = None
resume = False
