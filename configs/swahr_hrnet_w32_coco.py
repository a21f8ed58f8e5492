_base_ = ["higherhrnet_w32_coco.py"]

# the detection threshold of the official configuration
model = dict(head=dict(type="SWAHRHead", decoder=dict(decode_keypoint_thr=0.12)))
