_base_ = ["higherhrnet_w48_coco.py"]

model = dict(head=dict(type="SWAHRHead"))
