/* A VM of /dev/kvm that starts a guest stub as Carousel does (docs/guests.md, 64-bit ELF). */
#ifndef TESTS_BENCH_KVM_MACHINE_H
#define TESTS_BENCH_KVM_MACHINE_H

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#define VCPUS_MAX 8

struct vcpu {
	int fd;
	int cpu; /* the host's CPU that it stays on */
	struct kvm_run *run;
};

struct machine {
	int kvm, fd;
	uint8_t *ram;
	size_t ram_size;
	unsigned vcpu_count;
	struct vcpu vcpus[VCPUS_MAX];
};

/* Ends the program with a message, errno's text behind it. */
void fail(const char *what) __attribute__((noreturn));

/* The VM with in-kernel interrupt controllers and 8254, its memory present in the host, and as many
 * vCPUs as machine.vcpu_count says. CPUID is what KVM supports, less RDRAND and RDSEED. */
void machine_create(struct machine *machine, size_t ram_size);

/* Loads an ELF64 file, and lets vCPU 0 begin at its entry in long mode with this command line. */
void machine_load(struct machine *machine, const char *path, const char *cmdline);

#endif
