# The guest stubs: build/stubs/NAME.elf for every guest-stubs/NAME.c, each linked with all of common/.
# Included by the top Makefile.

STUB_NAMES  := $(basename $(notdir $(wildcard guest-stubs/*.c)))
STUB_ELFS   := $(STUB_NAMES:%=$(BUILD)/stubs/%.elf)
STUB_COMMON := $(patsubst %,$(BUILD)/%.o,$(basename $(wildcard guest-stubs/common/*.c)) \
	$(wildcard guest-stubs/common/*.S))

# An interrupt may come at any instruction, and the compiler leaves the extended state to the stubs.
CFLAGS_STUB := $(COMMON) -O2 -ffreestanding -fno-pic -fno-stack-protector -mgeneral-regs-only \
	-mno-red-zone -fno-asynchronous-unwind-tables -fno-strict-aliasing -fcf-protection=none

.PHONY: stubs
stubs: $(STUB_ELFS)

$(BUILD)/stubs/%.elf: $(BUILD)/guest-stubs/%.o $(STUB_COMMON) guest-stubs/common/stub.ld
	@mkdir -p $(@D)
	$(CC) -nostdlib -static -no-pie -Wl,-T,guest-stubs/common/stub.ld -Wl,--build-id=none \
		-Wl,-z,noexecstack -Wl,-z,max-page-size=4096 $(STUB_LDFLAGS) -o $@ $(filter %.o,$^)

# Those that a Multiboot loader starts have an entry of 32 bits; one finds it by its ELF header, the
# other by a tag.
$(filter $(BUILD)/stubs/multiboot%,$(STUB_ELFS)): $(BUILD)/guest-stubs/multiboot/start.S.o \
	$(BUILD)/guest-stubs/multiboot/checks.o
$(BUILD)/stubs/multiboot1.elf: STUB_LDFLAGS := -Wl,-e,multiboot_start

$(BUILD)/guest-stubs/%.o: guest-stubs/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_STUB) -c -o $@ $<

$(BUILD)/guest-stubs/%.S.o: guest-stubs/%.S
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_STUB) -c -o $@ $<

# One in several files.
$(BUILD)/stubs/kvm_conformance.elf: $(patsubst %.c,$(BUILD)/%.o,$(wildcard guest-stubs/kvm/*.c))
$(BUILD)/stubs/bench.elf: $(patsubst %.c,$(BUILD)/%.o,$(wildcard guest-stubs/bench/*.c))
$(BUILD)/stubs/victim.elf: $(BUILD)/guest-stubs/victim/hold.S.o $(BUILD)/guest-stubs/victim/state.o
$(BUILD)/stubs/attacker.elf: $(patsubst %.c,$(BUILD)/%.o,$(wildcard guest-stubs/attacker/*.c))
STUB_FUZZ := $(patsubst %.c,$(BUILD)/%.o,$(wildcard guest-stubs/fuzz/*.c)) $(BUILD)/guest-stubs/fuzz/entry.S.o
$(BUILD)/stubs/fuzz_ops.elf $(BUILD)/stubs/fuzz_bytes.elf: $(STUB_FUZZ)
$(BUILD)/stubs/entry.elf: $(BUILD)/guest-stubs/entry/modes.S.o
