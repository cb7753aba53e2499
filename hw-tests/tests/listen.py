"""A stranger with paho-mqtt: reads events and says what they mean. Usage: listen.py PORT"""
import json
import sys

import paho.mqtt.client as mqtt


def on_message(client, userdata, message):
    station = message.topic.split("/")[3]
    event = json.loads(message.payload)
    if event["type"] == "platen.page.accepted":
        page = event["data"]
        print(f"{station}: page {page['number']} of {page['volume']}, turned {page['applied']:+.2f} degrees, {page['interlock']}", flush=True)


# paho-mqtt 2 wants to know which callbacks are meant; Debian 12 has 1.6, which does not ask.
versions = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []
client = mqtt.Client(*versions, protocol=mqtt.MQTTv5)
client.on_message = on_message
client.on_subscribe = lambda *_: print("subscribed", flush=True)
client.connect("127.0.0.1", int(sys.argv[1]))
client.subscribe("platen/v1/+/+/event", qos=1)
client.loop_forever()
