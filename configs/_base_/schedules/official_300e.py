# The official schedule: 300 epochs, 3 of them warm-up, the learning rate set at each iteration.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=300, val_interval=10)
val_cfg = dict()
test_cfg = dict(type="BottomupTestLoop")

optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam"))
param_scheduler = [
    dict(
        type="LinearLR", begin=0, end=3, start_factor=0.1, by_epoch=True, convert_to_iter_based=True
    ),
    dict(
        type="LinearLR",
        begin=3,
        end=300,
        start_factor=1.0,
        end_factor=0.0,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
