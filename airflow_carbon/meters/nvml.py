"""NVIDIA GPUs by NVML: which ones the command may use, and what their counters show.

Needs pynvml, the module of nvidia-ml-py; it is imported when it is used.
"""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from airflow_carbon.meters.counting import Count, Power
from airflow_carbon.meters.log import COUNTER, MISSING, POWER, Device

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_carbon.meters.counting import Reading

T = TypeVar("T")


class Patient(Generic[T]):
    """Has a function called in a thread of its own, and waits for its answer only so long.

    A driver may hang for ever when a card falls off the bus. An answer that comes late is
    the answer to the next question; no second call is made meanwhile.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._questions: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._waiting = False
        threading.Thread(target=self._serve, daemon=True).start()

    def ask(self, patience_s: float) -> T | None:
        """Return the answer, or None when there is none yet or the function failed."""
        if not self._waiting:
            self._questions.put(None)
        try:
            answer = self._answers.get(timeout=patience_s)
        except queue.Empty:
            self._waiting = True
            return None
        self._waiting = False
        return answer

    def _serve(self) -> None:
        while True:
            self._questions.get()
            try:
                answer: T | None = self._function()
            except Exception:  # noqa: BLE001 - whatever a driver does, the command goes on
                answer = None
            self._answers.put(answer)


@dataclass(frozen=True)
class Gpus:
    """The GPUs of the command; ``complaint`` is what a user should know about them."""

    devices: tuple[Device, ...] = ()
    handles: Mapping[str, Any] | None = None
    complaint: str = ""

    def read(self) -> dict[str, Reading]:
        """Return what each device's counter (or else its power sensor) shows."""
        return {device.id: self._read(device) for device in self.devices}

    def _read(self, device: Device) -> Reading:
        import pynvml as nv  # noqa: PLC0415 - only where there is a GPU

        handle = (self.handles or {}).get(device.id)
        if handle is None:
            return None
        try:
            if device.method == COUNTER:
                return Count(int(nv.nvmlDeviceGetTotalEnergyConsumption(handle)))
            return Power(nv.nvmlDeviceGetPowerUsage(handle) / 1000)
        except nv.NVMLError:
            return None


def unreadable(id_: str, name: str) -> Device:
    """Return a GPU that is there and can't be read: its energy is missing, not 0 J."""
    return Device(id_, "gpu", name, MISSING)


def open_gpus(environment: Mapping[str, str]) -> Gpus:
    """Find the GPUs that CUDA would show to a command with this environment."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in {"", "-1"}:
        return Gpus()
    try:
        import pynvml as nv  # noqa: PLC0415 - only where there is a GPU
    except ImportError:
        return _absent("the Python module pynvml is missing: pip install nvidia-ml-py")
    try:
        nv.nvmlInit()
        found = [_device(nv, index) for index in range(nv.nvmlDeviceGetCount())]
    except (nv.NVMLError_LibraryNotFound, nv.NVMLError_DriverNotLoaded) as exc:
        return _absent(f"NVML says {exc}")
    except nv.NVMLError as exc:
        complaint = f"GPU energy is marked as missing, because NVML says {exc}"
        return Gpus((unreadable("gpu", str(exc)),), complaint=complaint)
    handles = {device.id: handle for device, handle in found}
    devices = [device for device, _ in found]
    ids, complaint = select(visible, [device.id for device in devices])
    chosen = tuple(device for device in devices if device.id in ids)
    slices = tuple(unreadable(id_, "MIG device") for id_ in ids if id_.startswith("MIG-"))
    return Gpus(chosen + slices, handles, complaint)


def select(visible: str | None, ids: Sequence[str]) -> tuple[list[str], str]:
    """Return the ids that CUDA_VISIBLE_DEVICES names, and a complaint or "".

    As CUDA does: absent means all; the first entry that names no device hides the rest; a
    ``GPU-`` id may be shortened as long as it is unique. A number is taken in NVML's order,
    that of the PCI bus; CUDA counts so with CUDA_DEVICE_ORDER=PCI_BUS_ID or equal cards.

    >>> select("1,7,0", ["GPU-a", "GPU-b"])[0]
    ['GPU-b']
    """
    if visible is None:
        return list(ids), ""
    chosen: list[str] = []
    for entry in map(str.strip, visible.split(",")):
        name = _named(entry, ids)
        if name is None:
            return chosen, f"CUDA_VISIBLE_DEVICES ends at {entry!r}, which names no GPU here"
        if name not in chosen:
            chosen.append(name)
    if any(name.startswith("MIG-") for name in chosen):
        return chosen, "MIG devices have no energy counter; their energy is marked as missing"
    return chosen, ""


def _named(entry: str, ids: Sequence[str]) -> str | None:
    if entry.startswith("MIG-"):
        return entry
    if entry.startswith("GPU-"):
        matches = [id_ for id_ in ids if id_.startswith(entry)]
        return matches[0] if len(matches) == 1 else None
    if entry.isdecimal() and int(entry) < len(ids):
        return ids[int(entry)]
    return None


def _device(nv: Any, index: int) -> tuple[Device, Any]:
    """Return a GPU and its handle; one that can't be asked for its name is still counted."""
    try:
        handle = nv.nvmlDeviceGetHandleByIndex(index)
        id_, name = nv.nvmlDeviceGetUUID(handle), nv.nvmlDeviceGetName(handle)
    except nv.NVMLError as exc:
        return unreadable(f"gpu{index}", str(exc)), None
    return Device(id_, "gpu", name, _method(nv, handle)), handle


def _method(nv: Any, handle: Any) -> str:
    """Return ``power`` where the card (before Volta, or virtual) has no energy counter."""
    try:
        nv.nvmlDeviceGetTotalEnergyConsumption(handle)
    except (nv.NVMLError_NotSupported, nv.NVMLError_FunctionNotFound):
        return POWER
    except nv.NVMLError:
        pass  # lost just now: it may come back
    return COUNTER


def _absent(reason: str) -> Gpus:
    """Return no GPU; but say so where the system has one."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return Gpus()
    complaint = f"there is a GPU, but its energy is marked as missing: {reason}"
    return Gpus((unreadable("gpu", "unknown"),), complaint=complaint)
