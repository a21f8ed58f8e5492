_base_ = ["higherhrnet_w32_crowdpose.py"]

model = dict(head=dict(type="SWAHRHead"))
