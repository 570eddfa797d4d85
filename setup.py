"""The packages: the simulator's folder `sim` is installed as `mycelium_sim`, a name that is ours. The rest is in setup.cfg."""

from setuptools import find_packages, setup

simulator = [name.replace("sim", "mycelium_sim", 1) for name in find_packages(include=["sim", "sim.*"])]
setup(packages=[*find_packages(include=["mycelium", "mycelium.*"]), *simulator], package_dir={"mycelium_sim": "sim"})
