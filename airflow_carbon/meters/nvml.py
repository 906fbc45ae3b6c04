"""NVIDIA GPUs by NVML: which ones the command may use, and what their counters show.

Needs pynvml, the module of nvidia-ml-py; it is imported when it is used.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.meters.counting import Count, Power
from airflow_carbon.meters.log import COUNTER, MISSING, MODEL, POWER, Device
from airflow_carbon.meters.patience import Patient, ask_all
from airflow_carbon.meters.visible import NOTHING, Card, Slice, select

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow_carbon.meters.counting import Reading

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""How long after an error NVML is opened again; twice as long each time."""


class Driver:
    """NVML, which may go away and come back while a command runs.

    A container loses it at ``systemctl daemon-reload`` on its host; handles from before are
    then void. It is opened again only when no GPU answers: one that is lost alone does not
    disturb the others. ``loaded`` counts how often the kernel's driver was seen to be away:
    energy counters begin anew when it is loaded.
    """

    def __init__(self, nv: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.nv = nv
        self._clock = clock
        self.loaded = 0
        self._lock = threading.Lock()
        self._handles: dict[str, Any] = {}
        self._answered = 0.0
        self._next = 0.0
        self._pause_s = FIRST_PAUSE_S

    def read(self, gpu: Gpu) -> Reading:
        """Return what a GPU's counter shows, or else its power sensor; None after an error."""
        try:
            handle = self._handle(gpu.board)
            if gpu.device.method == POWER:
                reading: Reading = Power(self.nv.nvmlDeviceGetPowerUsage(handle) / 1000)
            else:
                mj = int(self.nv.nvmlDeviceGetTotalEnergyConsumption(handle))
                reading = Count(mj * gpu.slices // gpu.of, gpu.device.method, self.loaded)
        except self.nv.NVMLError as exc:
            self._handles.pop(gpu.board, None)
            self._recover(exc)
            return None
        self._answered = self._clock()
        self._pause_s = FIRST_PAUSE_S
        return reading

    def _handle(self, board: str) -> Any:
        handle = self._handles.get(board)
        if handle is None:
            handle = self._handles[board] = self.nv.nvmlDeviceGetHandleByUUID(board)
        return handle

    def _recover(self, error: Exception) -> None:
        with self._lock:
            now = self._clock()
            if isinstance(error, self.nv.NVMLError_NotSupported) or now < self._next:
                return
            self._next = now + self._pause_s
            if now < self._answered + self._pause_s:
                return
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._handles.clear()
            with suppress(self.nv.NVMLError):
                self.nv.nvmlShutdown()
            try:
                self.nv.nvmlInit()
            except self.nv.NVMLError_DriverNotLoaded:
                self.loaded += 1
            except self.nv.NVMLError:
                pass


@dataclass(frozen=True)
class Gpu:
    """A GPU, or ``slices`` of the ``of`` slices of one; ``board`` is the id of the whole."""

    device: Device
    board: str
    slices: int = 1
    of: int = 1


@dataclass(frozen=True)
class Gpus:
    """The GPUs of the command; ``complaint`` is what a user should know about them.

    ``away`` where there are some, but NVML, which may come, does not tell which.
    """

    devices: tuple[Device, ...] = ()
    patients: Mapping[str, Patient[Reading]] = field(default_factory=dict)
    complaint: str = ""
    away: bool = False

    def read(self, patience_s: float) -> dict[str, Reading]:
        """Return what each device shows; None for one that does not answer in time."""
        answers = ask_all(self.patients, patience_s)
        return {device.id: answers.get(device.id) for device in self.devices}


class Opening:
    """Finds the GPUs of the command, and looks again as long as NVML is away."""

    def __init__(
        self, environment: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._patient = Patient(lambda: open_gpus(environment))
        self._clock = clock
        self._next = 0.0
        self._pause_s = FIRST_PAUSE_S

    def first(self, patience_s: float) -> Gpus:
        """Return what is there."""
        return self._patient.ask(patience_s) or _away("NVML does not answer")

    def again(self, patience_s: float) -> Gpus | None:
        """Return the GPUs when NVML has come; None before, asked less and less often."""
        now = self._clock()
        if now < self._next:
            return None
        self._next = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        found = self._patient.ask(patience_s)
        return None if found is None or found.away else found


def unreadable(id_: str, name: str) -> Device:
    """Return a GPU that is there and can't be read: its energy is missing, not 0 J."""
    return Device(id_, "gpu", name, MISSING)


def open_gpus(environment: Mapping[str, str]) -> Gpus:
    """Find the GPUs that CUDA would show to a command with this environment."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in NOTHING:
        return Gpus()
    try:
        import pynvml as nv  # noqa: PLC0415 - only where there is a GPU
    except ImportError:
        return _absent("the Python module pynvml is missing: pip install nvidia-ml-py")
    try:
        nv.nvmlInit()
        boards = [_board(nv, index) for index in range(nv.nvmlDeviceGetCount())]
    except (nv.NVMLError_LibraryNotFound, nv.NVMLError_DriverNotLoaded) as exc:
        absent = _absent(f"NVML says {exc}")
        return replace(absent, away=bool(absent.devices))
    except nv.NVMLError as exc:
        return _away(f"NVML says {exc}")
    order = environment.get("CUDA_DEVICE_ORDER")
    ids, complaint = select(visible, [board.card for board in boards], order)
    known = {gpu.device.id: gpu for board in boards for gpu in board.gpus}
    gpus = [known.get(id_) or Gpu(unreadable(id_, "MIG device"), "") for id_ in ids]
    driver = Driver(nv)
    patients = {
        gpu.device.id: Patient(_reader(driver, gpu)) for gpu in gpus if gpu.device.method != MISSING
    }
    return Gpus(tuple(g.device for g in gpus), patients, complaint or _unread_slices(gpus))


def driver_version() -> str | None:
    """Return the version of NVIDIA's driver; None where there is none that answers."""
    try:
        import pynvml as nv  # noqa: PLC0415 - only where there is a GPU

        nv.nvmlInit()
        return str(nv.nvmlSystemGetDriverVersion())
    except Exception:  # noqa: BLE001 - no module, no library, no driver: all the same here
        return None


def _reader(driver: Driver, gpu: Gpu) -> Any:
    return lambda: driver.read(gpu)


def _unread_slices(gpus: Sequence[Gpu]) -> str:
    if any(g.device.id.startswith("MIG-") and g.device.method == MISSING for g in gpus):
        return "a MIG device's share of its GPU can't be told; its energy is marked as missing"
    return ""


@dataclass(frozen=True)
class _Board:
    card: Card
    gpus: tuple[Gpu, ...]


def _board(nv: Any, index: int) -> _Board:
    """Return a GPU, by its parts; one that can't be asked for its name is still counted."""
    try:
        handle = nv.nvmlDeviceGetHandleByIndex(index)
        id_, name = nv.nvmlDeviceGetUUID(handle), nv.nvmlDeviceGetName(handle)
    except nv.NVMLError as exc:
        lost = unreadable(f"gpu{index}", str(exc))
        return _Board(Card(lost.id), (Gpu(lost, lost.id),))
    method = _method(nv, handle)
    slices = tuple(_slices(nv, handle, id_, method))
    card = Card(id_, name, tuple(part for part, _ in slices))
    gpus = tuple(gpu for _, gpu in slices) or (Gpu(Device(id_, "gpu", name, method), id_),)
    return _Board(card, gpus)


def _slices(nv: Any, handle: Any, board: str, method: str) -> Iterator[tuple[Slice, Gpu]]:
    """Yield a card's MIG devices that can be seen, where it is divided.

    The counter is the whole card's. A MIG device is charged its share of the slices (one in
    seven on most cards, in four on an A30), which is a model: nobody reads what it draws.
    """
    try:
        divided, _ = nv.nvmlDeviceGetMigMode(handle)
        most = nv.nvmlDeviceGetMaxMigDeviceCount(handle) if divided else 0
    except nv.NVMLError:
        return
    for index in range(most):
        with suppress(nv.NVMLError):
            part = nv.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
            id_, name = nv.nvmlDeviceGetUUID(part), nv.nvmlDeviceGetName(part)
            own = _own_slices(nv, part) if method == COUNTER else 0
            device = Device(id_, "gpu", name, MODEL) if own else unreadable(id_, name)
            yield Slice(id_, _former_id(nv, part, board)), Gpu(device, board, own, most)


def _own_slices(nv: Any, part: Any) -> int:
    with suppress(nv.NVMLError):
        return int(nv.nvmlDeviceGetAttributes(part).computeInstanceSliceCount)
    return 0


def _former_id(nv: Any, part: Any, board: str) -> str:
    with suppress(nv.NVMLError):
        instance = nv.nvmlDeviceGetGpuInstanceId(part)
        compute = nv.nvmlDeviceGetComputeInstanceId(part)
        return f"MIG-{board}/{instance}/{compute}"
    return ""


def _method(nv: Any, handle: Any) -> str:
    """Return ``power`` where the card (before Volta, or virtual) has no energy counter."""
    try:
        nv.nvmlDeviceGetTotalEnergyConsumption(handle)
    except (nv.NVMLError_NotSupported, nv.NVMLError_FunctionNotFound):
        return POWER
    except nv.NVMLError:
        pass  # lost just now: it may come back
    return COUNTER


def _away(reason: str) -> Gpus:
    complaint = f"GPU energy is marked as missing, because {reason}"
    return Gpus((unreadable("gpu", reason),), complaint=complaint, away=True)


def _absent(reason: str) -> Gpus:
    """Return no GPU; but say so where the system has one."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return Gpus()
    complaint = f"there is a GPU, but its energy is marked as missing: {reason}"
    return Gpus((unreadable("gpu", "unknown"),), complaint=complaint)
