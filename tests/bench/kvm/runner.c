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
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define RAM_SIZE      (16u << 20)
#define LIMIT_SECONDS 60
#define STATUS_STUCK  3

static struct machine machine;
static pthread_mutex_t ports_lock = PTHREAD_MUTEX_INITIALIZER;

/* `_exit`: the other vCPUs' threads are in the kernel. A console that still sends would disturb the
 * next run. */
static void __attribute__((noreturn)) end(int status)
{
	ports_flush();
	tcdrain(STDOUT_FILENO);
	_exit(status);
}

static void stuck(int number)
{
	(void)number;
	fprintf(stderr, "runner: the guest has not ended within %u s\n", LIMIT_SECONDS);
	end(STATUS_STUCK);
}

/* Rows of bytes in kvm_run: one unless the guest used INS or OUTS. */
static void serve_io(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t value;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN) {
			value = ports_read(run->io.port);
			memcpy(data, &value, run->io.size);
			continue;
		}
		value = 0;
		memcpy(&value, data, run->io.size);
		pthread_mutex_lock(&ports_lock);
		if (ports_write(run->io.port, value, &value))
			end((int)(value & 0xff));
		pthread_mutex_unlock(&ports_lock);
	}
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
			end(STATUS_STUCK);
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

int main(int argc, char **argv)
{
	pthread_t thread;

	if (argc != 5) {
		fprintf(stderr, "usage: runner NAME CPU[,CPU...] STUB.ELF COMMAND-LINE\n");
		return 2;
	}
	ports_init(argv[1]);
	parse_cpus(argv[2]);
	machine_create(&machine, RAM_SIZE);
	machine_load(&machine, argv[3], argv[4]);
	signal(SIGALRM, stuck);
	alarm(LIMIT_SECONDS);
	for (unsigned i = 1; i < machine.vcpu_count; i++) {
		errno = pthread_create(&thread, NULL, run_vcpu, &machine.vcpus[i]);
		if (errno)
			fail("a vCPU's thread");
	}
	run_vcpu(&machine.vcpus[0]);
}
