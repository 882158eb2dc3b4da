"""By how much memory grows: of the process, or what PyTorch holds of a GPU."""

import ctypes
import gc
import re

import torch


class Memory:
    """Growth since it was made."""

    def __init__(self, device):
        self.device = device
        self.give_back()
        self.before = self.held()

    def give_back(self):
        """What nobody uses, to the device: others are on it."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        else:
            trim()

    def held(self):
        return torch.cuda.memory_allocated() if self.device.type == "cuda" else resident("VmRSS")

    def start(self):
        """From here on counts the most that is held."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
            return
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            pass

    def peak(self):
        """The most since `start`, over what was held before; None where the system does not say."""
        most = torch.cuda.max_memory_allocated() if self.device.type == "cuda" else resident("VmHWM")
        return None if most is None or self.before is None else max(0, most - self.before)


def trim():
    """Gives the system what malloc keeps, where that is glibc's: it is told to keep all that is freed."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass


def resident(field):
    """Bytes of this process in memory: VmRSS now, VmHWM at most; None where the system does not say."""
    try:
        with open("/proc/self/status") as status:
            return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", status.read()).group(1))
    except (OSError, AttributeError):
        return None
