/* Runs a guest stub under /dev/kvm, each vCPU a thread that stays on one CPU of the host:
 *
 *     runner NAME CPU[,CPU...] STUB.ELF COMMAND-LINE
 *
 * prints the guest's console, each line behind NAME, and ends with the value that the guest wrote
 * to port 0xf4. */
#define _GNU_SOURCE
#include "tests/bench/kvm/machine.h"
#include "tests/bench/kvm/ports.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MIB_MAX       1024
#define LIMIT_SECONDS 60
#define STATUS_STUCK  3

static struct machine machine;
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t ended;
static int end_status;

/* The guest has ended, or the runner gives up: main() wakes and ends the program. */
static void __attribute__((noreturn)) finish(int status)
{
	end_status = status;
	sem_post(&ended);
	for (;;)
		pause();
}

/* Rows of bytes in kvm_run: one unless the guest used INS or OUTS. */
static void serve_io(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool has_ended = false;
	uint32_t value;

	for (uint32_t i = 0; i < run->io.count && !has_ended; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN) {
			value = ports_read(run->io.port);
			memcpy(data, &value, run->io.size);
			continue;
		}
		value = 0;
		memcpy(&value, data, run->io.size);
		pthread_mutex_lock(&ports_lock);
		has_ended = ports_write(run->io.port, value, &value);
		pthread_mutex_unlock(&ports_lock);
	}
	if (has_ended)
		finish((int)(value & 0xff));
}

static void *run_vcpu(void *argument)
{
	struct vcpu *vcpu = argument;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(vcpu->cpu, &cpus);
	errno = pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	if (errno)
		fail("the host has no such CPU");
	for (;;) {
		if (ioctl(vcpu->fd, KVM_RUN, 0)) {
			if (errno != EINTR && errno != EAGAIN)
				fail("KVM_RUN");
			continue;
		}
		switch (vcpu->run->exit_reason) {
		case KVM_EXIT_IO:
			serve_io(vcpu->run);
			break;
		case KVM_EXIT_MMIO:
			memset(vcpu->run->mmio.data, 0xff, sizeof(vcpu->run->mmio.data));
			break;
		default:
			fprintf(stderr, "runner: KVM's exit reason %u\n", vcpu->run->exit_reason);
			finish(STATUS_STUCK);
		}
	}
}

static void parse_cpus(const char *text)
{
	char *end_of_number;

	do {
		long cpu = strtol(text, &end_of_number, 10);

		errno = 0;
		if (end_of_number == text || cpu < 0 || cpu >= CPU_SETSIZE ||
		    machine.vcpu_count == VCPUS_MAX)
			fail("the list of CPUs");
		machine.vcpus[machine.vcpu_count++].cpu = (int)cpu;
		text = end_of_number + 1;
	} while (*end_of_number == ',');
}

static size_t parse_size(const char *text)
{
	char *end_of_number;
	long mib = strtol(text, &end_of_number, 10);

	errno = 0;
	if (*end_of_number || mib < 2 || mib > MIB_MAX || mib % 2)
		fail("the memory's size: an even number of MiB");
	return (size_t)mib << 20;
}

/* How the guest has ended. */
static int wait_for_end(void)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += LIMIT_SECONDS;
	while (sem_timedwait(&ended, &limit))
		if (errno != EINTR) {
			fprintf(stderr, "runner: not ended within %d s\n", LIMIT_SECONDS);
			return STATUS_STUCK;
		}
	return end_status;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	uint64_t start, created;
	int status;

	if (argc != 6) {
		fprintf(stderr, "usage: runner NAME CPU[,CPU...] MIB STUB.ELF COMMAND-LINE\n");
		return 2;
	}
	ports_init(argv[1]);
	parse_cpus(argv[2]);
	start = __builtin_ia32_rdtsc();
	machine_create(&machine, parse_size(argv[3]));
	machine_load(&machine, argv[4], argv[5]);
	created = __builtin_ia32_rdtsc() - start;
	sem_init(&ended, 0, 0);
	for (unsigned i = 0; i < machine.vcpu_count; i++) {
		errno = pthread_create(&thread, NULL, run_vcpu, &machine.vcpus[i]);
		if (errno)
			fail("a vCPU's thread");
	}
	status = wait_for_end();
	printf("%s| created %" PRIu64 "\n", argv[1], created);
	pthread_mutex_lock(&ports_lock);
	ports_flush();
	/* A console that still sends would disturb the next run. */
	tcdrain(STDOUT_FILENO);
	/* The vCPUs' threads are in the kernel. */
	_exit(status);
}
