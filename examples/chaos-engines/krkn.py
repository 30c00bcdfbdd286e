"""goinject on a pod, as a step of krkn: an exit status other than 0 makes the step, and so the scenario, fail."""

import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).parent
with open(here / "chaos.yaml", "rb") as rules:
    command = ["sh", here / "goinject-on-pod.sh", "shop", "shop-0"]
    sys.exit(subprocess.run(command, stdin=rules).returncode)
