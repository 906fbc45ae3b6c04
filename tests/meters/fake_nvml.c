/* A stand-in for libnvidia-ml.so.1: what the agent asks of NVML, answered from a file.
 *
 * $FAKE_NVML_STATE names a file of "key value" lines, read again at every call, so that a
 * test (or the command that is measured) changes the hardware while the agent looks on.
 * "gpu1.key value" holds for one GPU and wins over "key value".
 *
 *   count 2              GPUs (default 1)
 *   uuid, name           of a GPU
 *   power_mw 300000      power [mW] (default 300 W)
 *   energy_mj 1000       the counter [mJ]; without it, the integral of power since the start
 *   hang_ms 600000       how long a reading takes
 *   rc_init, rc_count, rc_handle, rc_energy, rc_power     NVML return codes, such as
 *                        3 not supported, 9 driver not loaded, 15 GPU is lost, 999 unknown
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, MOST = 16 };

typedef struct {
  int index;
  double integral_mj, integrated_to_s;
} gpu_t;

static gpu_t gpus[MOST];
static int initialized;

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((constructor)) static void begin(void) {
  for (int i = 0; i < MOST; i++) gpus[i] = (gpu_t){i, 0.0, now_s()};
}

/* Copy a key's value and return 1, or return 0 where the file does not have it. */
static int text(int gpu, const char *key, char *value, size_t size) {
  char line[256], name[64], found[192], own[64];
  int rank = 0;
  const char *path = getenv("FAKE_NVML_STATE");
  FILE *file = path ? fopen(path, "r") : NULL;
  if (!file) return 0;
  snprintf(own, sizeof own, "gpu%d.%s", gpu, key);
  while (fgets(line, sizeof line, file)) {
    if (sscanf(line, "%63s %191[^\n]", name, found) != 2) continue;
    int match = !strcmp(name, own) ? 2 : !strcmp(name, key) ? 1 : 0;
    if (match <= rank) continue;
    rank = match;
    snprintf(value, size, "%s", found);
  }
  fclose(file);
  return rank > 0;
}

static double number(int gpu, const char *key, double otherwise) {
  char value[192];
  return text(gpu, key, value, sizeof value) ? atof(value) : otherwise;
}

static int code(int gpu, const char *key) { return (int)number(gpu, key, SUCCESS); }

static int count(void) { return (int)number(-1, "count", 1); }

static void take_time(const gpu_t *gpu) {
  double ms = number(gpu->index, "hang_ms", 0);
  if (ms > 0) nanosleep(&(struct timespec){(time_t)(ms / 1000), 0}, NULL);
}

static double power_mw(const gpu_t *gpu) { return number(gpu->index, "power_mw", 300000); }

const char *nvmlErrorString(int rc) { return rc == 15 ? "GPU is lost" : "an error of the fake"; }

int nvmlInitWithFlags(unsigned flags) {
  (void)flags;
  int rc = code(-1, "rc_init");
  initialized = rc == SUCCESS;
  return rc;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlDeviceGetCount_v2(unsigned *n) {
  if (!initialized) return UNINITIALIZED;
  *n = (unsigned)count();
  return code(-1, "rc_count");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu_t **gpu) {
  if ((int)index >= count()) return INVALID_ARGUMENT;
  *gpu = &gpus[index];
  return code((int)index, "rc_handle");
}

int nvmlDeviceGetUUID(const gpu_t *gpu, char *uuid, unsigned size) {
  if (!text(gpu->index, "uuid", uuid, size))
    snprintf(uuid, size, "GPU-%08d-0000-4000-8000-000000000000", gpu->index);
  return SUCCESS;
}

int nvmlDeviceGetName(const gpu_t *gpu, char *name, unsigned size) {
  if (!text(gpu->index, "name", name, size)) snprintf(name, size, "Fake GPU");
  return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(gpu_t *gpu, unsigned long long *mj) {
  char value[192];
  take_time(gpu);
  double now = now_s();
  gpu->integral_mj += power_mw(gpu) * (now - gpu->integrated_to_s);
  gpu->integrated_to_s = now;
  *mj = text(gpu->index, "energy_mj", value, sizeof value) ? strtoull(value, NULL, 10)
                                                           : (unsigned long long)gpu->integral_mj;
  return code(gpu->index, "rc_energy");
}

int nvmlDeviceGetPowerUsage(const gpu_t *gpu, unsigned *mw) {
  take_time(gpu);
  *mw = (unsigned)power_mw(gpu);
  return code(gpu->index, "rc_power");
}
