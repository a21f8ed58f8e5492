_base_ = ["higherhrnet_w48_crowdpose.py"]

model = dict(head=dict(type="SWAHRHead"))
