/* What the boot modules and their command lines ask for: the words of the hypervisor and of each
 * VM. The grammar is in docs/guests.md. Pure. */
#ifndef LOADER_CONFIG_H
#define LOADER_CONFIG_H

#include "guest/topology.h"
#include "lib/types.h"

#define CONFIG_VMS_MAX     64
#define CONFIG_MODULES_MAX 48
#define CONFIG_FILES_MAX   16
#define CONFIG_DISKS_MAX   4
#define CONFIG_SERIAL_MAX  20
#define CONFIG_NICS_MAX    2
#define CONFIG_LAN_MAX     16
#define CONFIG_MAC_LEN     6
#define CONFIG_NAME_MAX    32
#define CONFIG_ERROR_MAX   256
#define CONFIG_ERRORS_MAX  8

/* A boot module, wherever the boot loader put it. */
struct boot_module {
	const char *cmdline; /* terminated */
	const uint8_t *data;
	uint64_t size;
};

enum image_format {
	FORMAT_AUTO,
	FORMAT_FLAT,
	FORMAT_ELF32,
	FORMAT_ELF64,
	FORMAT_PVH,
	FORMAT_BZIMAGE,
	FORMAT_MULTIBOOT1,
	FORMAT_MULTIBOOT2,
};

struct vm_module {
	const struct boot_module *module;
	const char *string; /* what stands behind `--`, or "" */
};

struct vm_disk {
	const struct boot_module *module; /* its bytes are the disk's: writes stay there */
	bool is_read_only;                /* ro */
	char serial[CONFIG_SERIAL_MAX]; /* serial=, padded with zeros; default disk0, disk1, ... */
};

struct vm_nic_config {
	char lan[CONFIG_LAN_MAX];
	uint8_t mac[CONFIG_MAC_LEN];
};

struct vm_config {
	char name[CONFIG_NAME_MAX];
	const struct boot_module *kernel; /* NULL only together with an error */
	const struct boot_module *initrd; /* or NULL */
	struct vm_module module[CONFIG_MODULES_MAX];
	uint32_t module_count;
	/* Modules whose string begins with "opt/": they are not the kernel's, but files of that
	 * name in fw_cfg. */
	struct vm_module file[CONFIG_FILES_MAX];
	uint32_t file_count;
	struct vm_disk disk[CONFIG_DISKS_MAX];
	uint32_t disk_count;
	struct vm_nic_config nic[CONFIG_NICS_MAX]; /* net= and mac= */
	uint32_t nic_count, mac_count;
	const char *append; /* the guest's command line: what stands behind `--` of the kernel */
	uint64_t mem;       /* bytes; mem=, default 128M; a multiple of 4096 */
	uint32_t vcpus;     /* vcpus=, default 1 */
	struct topology
		topology;   /* topology=SOCKETS:CORES:THREADS, default one socket of vcpus= cores */
	uint32_t pin_count; /* pin=CPU,CPU: vCPU i runs on pin[i % pin_count] only; 0: anywhere */
	uint32_t pin[MAX_VM_VCPUS];
	enum image_format format; /* format= */
	uint64_t flat_address; /* address=, for flat images; default 0x100000, real mode 0x7c00 */
	uint8_t flat_mode;     /* mode=real|32|64, for flat images; 16, 32 or 64; default 64 */
	uint32_t exit_ok;      /* exit-ok=VALUE, default 0 */
	bool is_halt_ok;       /* on-halt=ok|fail */
	bool is_background;    /* background */
	bool is_hlt_exit_off;  /* hlt-exit=off: HLT halts the pCPU, which the VM must have alone */
	bool is_reset_ok;      /* on-reset=ok|fail, default ok: the guest asked for a reboot */
	uint32_t restarts;     /* on-reset=restart:COUNT: so many resets begin it anew; 0: none */
	uint64_t slice_us;     /* slice_us=, 0: the hypervisor's */
	uint32_t weight;       /* weight=, default 1: times the slice */
	uint32_t cap;          /* cap=, percent of a pCPU for each vCPU; default 100: none */
	bool has_virtio_console; /* virtio-console=on */
	bool has_virtio_rng;     /* virtio-rng=on */
	const char *cpuid; /* cpuid=-name,... as written, or NULL; NOT terminated: see cpuid_len */
	size_t cpuid_len;
	bool is_kvm_off;           /* kvm=off */
	bool is_kvm_withdrawn[32]; /* kvm-NAME=off, by KVM_FEATURE_* */
	bool is_kvm_realtime_off;  /* kvm-realtime=off */
	/* The first thing that is wrong with this VM, naming it and the remedy; "" when nothing is.
	 */
	char error[CONFIG_ERROR_MAX];
};

/* Serial ports of the host's with a role besides the console's. */
enum hv_port_role {
	HV_PORT_MONITOR, /* monitor=: the monitor's commands, for programs */
	HV_PORT_GDB,     /* gdb-port=: a guest's debugger */
	HV_PORT_DUMP,    /* dump=: figures and traces, at the end */
	HV_PORT_ROLES
};

/* The hypervisor's own words, with their defaults. */
struct hv_options {
	uint64_t slice_us;                /* slice_us=10000 */
	uint64_t watchdog_s;              /* watchdog=1; 0: off */
	uint64_t halt_poll_ns;            /* 200000 */
	uint32_t halt_poll_ns_grow;       /* 2 */
	uint64_t halt_poll_ns_grow_start; /* 10000 */
	uint32_t halt_poll_ns_shrink;     /* 0 */
	uint32_t cpus;                    /* cpus=N: use at most so many pCPUs; 0: all */
	uint16_t console_port;            /* console=0x3f8|com1..com4|none (0) */
	bool is_console_pci;              /* console=pci: the first 16550 on a PCI card */
	uint16_t port[HV_PORT_ROLES];     /* monitor=, gdb-port=, dump=; 0: none */
	bool is_dump_parallel;            /* dump=lpt1 */
	char gdb_vm[CONFIG_NAME_MAX];     /* gdb=VM[,wait]: that gdb may debug; "" for none */
	bool is_gdb_wait;                 /* it waits for gdb to let it go on */
	uint32_t trace_groups;            /* trace=all, or a list: enum trace_group */
	uint32_t trace_records;           /* trace-records=32768: for each pCPU */
	uint8_t log_level;                /* loglevel=error|warn|info|debug: enum log_level */
	bool is_mitigations_off;          /* mitigations=off */
	bool is_switch_eager;             /* switch=eager|lazy */
	uint8_t vid;                      /* vid=auto|on|off: enum hv_vid */
	bool is_guest_rdrand_off;         /* rdrand=off: RDRAND and RDSEED hidden from all guests */
	bool is_panic_early; /* panic=early, in debug builds: before there is a console */
	uint8_t fault;       /* fault=KIND:N, in debug builds: enum fault_kind, lib/fault.h */
	uint64_t fault_n;
	uint8_t end; /* end=poweroff|reset|halt|bochs|debug-exit: enum hv_end */
};

enum hv_vid { HV_VID_AUTO, HV_VID_ON, HV_VID_OFF };
enum hv_end { HV_END_POWEROFF, HV_END_RESET, HV_END_HALT, HV_END_BOCHS, HV_END_DEBUG_EXIT };

struct config {
	struct hv_options options;
	uint32_t vm_count;
	struct vm_config vm[CONFIG_VMS_MAX];
	/* What is wrong with the whole: unknown hypervisor words, modules without vm=, no modules.
	 */
	uint32_t error_count; /* how many stand in `error` */
	uint32_t more_errors; /* how many more there were */
	char error[CONFIG_ERRORS_MAX][CONFIG_ERROR_MAX];
};

/* The word that names the port for a role: "monitor". */
const char *hv_port_word(enum hv_port_role role);

/* The guest that `format=` names, and how messages call it. */
const char *image_format_name(enum image_format format);

/* Is each vCPU of VM number `index` alone on its pCPU: by its own pin= and by all others'? */
bool config_is_alone(const struct config *config, uint32_t index);

/* Parses the hypervisor's command line and all modules'. Never fails: what is wrong stands in the
 * errors, and nothing else is lost. The strings are kept by reference. `pcpus` is how many there
 * are (for pin=). */
void config_parse(struct config *config, const char *cmdline, const struct boot_module *modules,
		  uint32_t module_count, uint32_t pcpus);

#endif
