import os
import plexus_ipc

with plexus_ipc.connect(os.environ["PLEXUS_ADDRESS"]) as hub:
    count = hub.call("text/count", "to be or not to be", timeout=5)
    print(count["words"], "words,", count["letters"], "letters")
    print("sum:", hub.call("math/add", [20, 22], timeout=5))
