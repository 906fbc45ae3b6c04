/* A stand-in for libnvidia-ml.so.1: what the agent (and codecarbon) ask of NVML, answered from a
 * file.
 *
 * $FAKE_NVML_STATE names a file of "key value" lines, read again at every call, so that a
 * test (or the command that is measured) changes the hardware while the agent looks on.
 * "gpu1.key value" holds for one GPU and wins over "key value". Instants are seconds of
 * CLOCK_MONOTONIC, which all processes share.
 *
 *   count 2              GPUs (default 1)
 *   uuid, name           of a GPU
 *   power_mw 300000      power [mW] (default 300 W)
 *   energy_mj 1000       the counter [mJ]; without it, the integral of power since the start
 *   since 81.5           the counter is the integral since this instant, the same in each process
 *   profile 0:300000,2:600000   power [mW] from so many seconds after `since` on
 *   publish_ms 100       the counter shows the integral only so often
 *   gain 1.05            the sensor's error, in power and in energy
 *   reset_at 83.5        the counter began anew then
 *   hang_ms 600000       how long a reading takes
 *   slices 3,2           the GPU is divided into MIG devices of so many slices of seven
 *   load 2               the driver was loaded so often: what was opened before is void
 *   rc_all               the return code of every call: 999 as after a daemon-reload
 *   rc_init, rc_count, rc_handle, rc_energy, rc_power     NVML return codes, such as
 *                        3 not supported, 9 driver not loaded, 15 GPU is lost, 999 unknown
 */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NOT_FOUND = 6 };
enum { MOST = 16, PARTS = 7, LOADS = 8, BOARD = PARTS };

typedef struct { int gpu, part, load; } device_t;
typedef struct { double integral_mj, integrated_to_s; } counter_t;

static device_t devices[LOADS][MOST][PARTS + 1];
static counter_t counters[MOST];
static int opened, opened_load;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((constructor)) static void begin(void) {
  for (int load = 0; load < LOADS; load++)
    for (int gpu = 0; gpu < MOST; gpu++)
      for (int part = 0; part <= PARTS; part++)
        devices[load][gpu][part] = (device_t){gpu, part, load};
  for (int gpu = 0; gpu < MOST; gpu++) counters[gpu] = (counter_t){0.0, now_s()};
}

static __thread char state[4096]; /* as one call sees it */
static __thread int known;

static void look(void) {
  const char *path = getenv("FAKE_NVML_STATE");
  int file = path ? open(path, O_RDONLY) : -1;
  ssize_t length = file < 0 ? 0 : read(file, state, sizeof state - 1);
  if (file >= 0) close(file);
  state[length > 0 ? length : 0] = 0;
  known = 1;
}

/* Copy a key's value and return 1, or return 0 where the file does not have it. */
static int text(int gpu, const char *key, char *value, size_t size) {
  char own[64];
  int rank = 0;
  if (!known) look();
  snprintf(own, sizeof own, "gpu%d.%s", gpu, key);
  for (const char *line = state; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    size_t name = strcspn(line, " \n");
    int is_own = name == strlen(own) && !strncmp(line, own, name);
    int match = is_own ? 2 : name == strlen(key) && !strncmp(line, key, name) ? 1 : 0;
    if (match <= rank || line[name] != ' ') continue;
    rank = match;
    snprintf(value, size, "%.*s", (int)strcspn(line + name + 1, "\n"), line + name + 1);
  }
  return rank > 0;
}

static double number(int gpu, const char *key, double otherwise) {
  char value[192];
  return text(gpu, key, value, sizeof value) ? atof(value) : otherwise;
}

static int code(int gpu, const char *key) {
  int all = (int)number(gpu, "rc_all", SUCCESS);
  int rc = all ? all : (int)number(gpu, key, SUCCESS);
  known = 0; /* the last that a call asks: the next one looks anew */
  return rc;
}

static int count(void) { return (int)number(-1, "count", 1); }

static int loaded(void) { return (int)number(-1, "load", 0) % LOADS; }

/* What a call returns that needs no device. */
static int ready(const char *key) {
  int current = opened && opened_load == loaded(), rc = code(-1, key);
  return current ? rc : UNINITIALIZED;
}

/* What a call about a device returns. */
static int usable(const device_t *device, const char *key) {
  int load = loaded(), current = opened && opened_load == load && device->load == load;
  int rc = code(device->gpu, key);
  return current ? rc : UNINITIALIZED;
}

static int set(const device_t *device, unsigned *answer, unsigned value) {
  *answer = value;
  return usable(device, "rc_details");
}

static void take_time(const device_t *device) {
  double ms = number(device->gpu, "hang_ms", 0);
  struct timespec nap = {(time_t)(ms / 1000), 0};
  if (ms <= 0) return;
  nanosleep(&nap, NULL);
  known = 0;
}

/* Power [mW] at so many seconds after `since`, and its integral from there [mJ]. */
static double profile(int gpu, double at_s, double *integral_mj) {
  char steps[192], *rest = steps;
  double mw = number(gpu, "power_mw", 300000), from = 0, sum = 0;
  if (text(gpu, "profile", steps, sizeof steps))
    for (char *step; (step = strsep(&rest, ","));) {
      double begins = 0, next = 0;
      if (sscanf(step, "%lf:%lf", &begins, &next) != 2 || begins > at_s) break;
      sum += mw * (begins - from);
      from = begins;
      mw = next;
    }
  *integral_mj = sum + mw * (at_s - from);
  return mw;
}

static double power_mw(int gpu) {
  double unused, since = number(gpu, "since", now_s());
  return profile(gpu, now_s() - since, &unused) * number(gpu, "gain", 1);
}

static double published(int gpu, double since, double at) {
  double integral, step = number(gpu, "publish_ms", 0) / 1000;
  double after = at > since ? at - since : 0;
  profile(gpu, step > 0 ? floor(after / step) * step : after, &integral);
  return integral;
}

static double energy_mj(int gpu) {
  double now = now_s(), since = number(gpu, "since", -1), gain = number(gpu, "gain", 1);
  double reset_at = number(gpu, "reset_at", now + 1);
  if (since >= 0) {
    double before = reset_at <= now ? published(gpu, since, reset_at) : 0;
    return (published(gpu, since, now) - before) * gain;
  }
  counters[gpu].integral_mj += power_mw(gpu) * (now - counters[gpu].integrated_to_s);
  counters[gpu].integrated_to_s = now;
  return counters[gpu].integral_mj;
}

/* The slices of a MIG device, by its place in the list; 0 where there is none. */
static int slices(int gpu, int part) {
  char list[192], *rest = list, *one = NULL;
  if (!text(gpu, "slices", list, sizeof list)) return 0;
  for (int i = 0; i <= part; i++)
    if (!(one = strsep(&rest, ","))) return 0;
  return atoi(one);
}

static void uuid_of(const device_t *device, char *uuid, unsigned size) {
  int gpu = device->gpu;
  if (device->part != BOARD)
    snprintf(uuid, size, "MIG-%08d-000%d-4000-8000-000000000000", gpu, device->part);
  else if (!text(gpu, "uuid", uuid, size))
    snprintf(uuid, size, "GPU-%08d-0000-4000-8000-000000000000", gpu);
}

const char *nvmlErrorString(int rc) {
  return rc == SUCCESS ? "Success" : rc == 15 ? "GPU is lost" : "an error of the fake";
}

int nvmlInitWithFlags(unsigned flags) {
  (void)flags;
  int load = loaded(), rc = code(-1, "rc_init");
  if (!rc && !opened++) opened_load = load;
  return rc;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) { return opened ? (opened--, SUCCESS) : UNINITIALIZED; }

int nvmlDeviceGetCount_v2(unsigned *n) {
  *n = (unsigned)count();
  return ready("rc_count");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device_t **device) {
  int there = (int)index < count();
  *device = &devices[loaded()][there ? index : 0][BOARD];
  int rc = usable(*device, "rc_handle");
  return there ? rc : INVALID_ARGUMENT;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, device_t **device) {
  char own[96];
  for (int i = 0; i < count(); i++) {
    *device = &devices[loaded()][i][BOARD];
    uuid_of(*device, own, sizeof own);
    if (!strcmp(own, uuid)) return usable(*device, "rc_handle");
  }
  int rc = ready("rc_count");
  return rc ? rc : NOT_FOUND;
}

int nvmlDeviceGetUUID(const device_t *device, char *uuid, unsigned size) {
  uuid_of(device, uuid, size);
  return usable(device, "rc_uuid");
}

int nvmlDeviceGetName(const device_t *device, char *name, unsigned size) {
  if (!text(device->gpu, "name", name, size)) snprintf(name, size, "Fake GPU");
  return usable(device, "rc_name");
}

int nvmlDeviceGetTotalEnergyConsumption(const device_t *device, unsigned long long *mj) {
  char value[192];
  if (device->part != BOARD) return NOT_SUPPORTED;
  take_time(device);
  int fixed = text(device->gpu, "energy_mj", value, sizeof value);
  *mj = fixed ? strtoull(value, NULL, 10) : (unsigned long long)energy_mj(device->gpu);
  return usable(device, "rc_energy");
}

int nvmlDeviceGetPowerUsage(const device_t *device, unsigned *mw) {
  take_time(device);
  *mw = (unsigned)power_mw(device->gpu);
  return usable(device, "rc_power");
}

/* MIG */

int nvmlDeviceGetMigMode(const device_t *device, unsigned *current, unsigned *pending) {
  *current = *pending = slices(device->gpu, 0) > 0;
  return usable(device, "rc_mig");
}

int nvmlDeviceGetMaxMigDeviceCount(const device_t *d, unsigned *n) { return set(d, n, PARTS); }

int nvmlDeviceGetMigDeviceHandleByIndex(const device_t *device, unsigned index, device_t **part) {
  int there = index < PARTS && slices(device->gpu, (int)index), rc = usable(device, "rc_mig");
  *part = &devices[device->load][device->gpu][there ? index : 0];
  return there ? rc : NOT_FOUND;
}

int nvmlDeviceGetGpuInstanceId(const device_t *device, unsigned *id) {
  return set(device, id, (unsigned)device->part + 1);
}

int nvmlDeviceGetComputeInstanceId(const device_t *d, unsigned *id) { return set(d, id, 0); }

typedef struct {
  unsigned processors, copies, decoders, encoders, jpegs, ofas, instance_slices, compute_slices;
  unsigned long long memory_mb;
} attributes_t;

int nvmlDeviceGetAttributes_v2(const device_t *device, attributes_t *attributes) {
  unsigned own = (unsigned)slices(device->gpu, device->part);
  *attributes = (attributes_t){.instance_slices = own, .compute_slices = own};
  return usable(device, "rc_attributes");
}

/* What codecarbon asks besides. */

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilization_t;

int nvmlDeviceGetEnforcedPowerLimit(const device_t *d, unsigned *mw) { return set(d, mw, 700000); }

int nvmlDeviceGetComputeMode(const device_t *d, unsigned *mode) { return set(d, mode, 0); }

int nvmlDeviceGetTemperature(const device_t *d, unsigned sensor, unsigned *celsius) {
  return set(d, celsius, 40 + 0 * sensor);
}

int nvmlDeviceGetUtilizationRates(const device_t *d, utilization_t *percent) {
  return set(d, &percent->gpu, 97) || set(d, &percent->memory, 50);
}

int nvmlDeviceGetMemoryInfo(const device_t *d, memory_t *memory) {
  *memory = (memory_t){1ULL << 37, 1ULL << 36, 1ULL << 36};
  return usable(d, "rc_details");
}
