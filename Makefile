# Carousel's one Makefile. `make help` lists the targets.
#
#   build/         the release build: carousel.elf, guest stubs, images
#   build/debug/   the same with assertions (make DEBUG=1)
#   build/host/    unit tests of the pure code, with ASan and UBSan
#   build/tsan/    those with threads, with ThreadSanitizer
#   build/fuzz/    fuzz targets over the pure code, by clang, with libFuzzer, ASan and UBSan

CC      := gcc
BUILD   := build
DEBUG   ?= 0
WERROR  ?= $(if $(CI),1,0)
OUT     := $(BUILD)$(if $(filter 1,$(DEBUG)),/debug)
HOST    := $(BUILD)/host
TSAN    := $(BUILD)/tsan
FUZZ    := $(BUILD)/fuzz

# The rooms of the house, in the order of docs/architecture.md.
FOLDERS := lib cpu mm drivers sched devices guest loader vmx monitor monitor/gdb boot
SOURCES := $(filter-out vmx/offsets.c,$(sort $(wildcard $(addsuffix /*.c,$(FOLDERS)))))
ASM     := $(sort $(wildcard $(addsuffix /*.S,$(FOLDERS))))

# Pure code: no privileged instruction, built for the host too and unit-tested there. sched/ and
# guest/ ask the CPU for little: tests/unit/fakes answers it.
PURE := $(filter-out lib/string.c,$(wildcard lib/*.c)) $(wildcard devices/*.c loader/*.c) \
	$(wildcard mm/memmap.c mm/page.c mm/pt.c drivers/acpi*.c drivers/fbtext.c drivers/pci.c) \
	$(wildcard drivers/parport.c drivers/pci_ports.c drivers/reset.c boot/mb2.c boot/memory.c boot/smbios.c) \
	$(wildcard vmx/caps.c vmx/check_*.c vmx/cr_rules.c vmx/ept.c vmx/ept_audit.c vmx/events.c vmx/tlb_audit.c) \
	$(addprefix monitor/,args.c cmd_show.c cmd_vm.c commands.c dump.c edit.c frame.c keys.c) \
	$(addprefix monitor/,out.c session.c summary.c tracing.c) \
	$(addprefix monitor/gdb/,data.c packet.c query.c registers.c stub.c) \
	$(wildcard cpu/lockdep.c cpu/symbols.c cpu/topology.c cpu/trace.c sched/*.c guest/*.c)

# carousel.efi, the UEFI loader, and what of it is pure.
EFI_SOURCES := $(sort $(wildcard boot/efi/*.c)) lib/parse.c lib/printf.c lib/string.c
EFI_ASM     := $(sort $(wildcard boot/efi/*.S))
EFI_PURE    := config exit image info map
PURE += $(EFI_PURE:%=boot/efi/%.c)

WARN := -Wall -Wextra -Wshadow -Wundef -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wno-sign-conversion $(if $(filter 1,$(WERROR)),-Werror)
COMMON := -std=gnu11 -I. $(WARN) -MMD -MP -g
CFLAGS_TARGET := $(COMMON) -O2 -ffreestanding -fno-pic -fno-stack-protector -mgeneral-regs-only \
	-mno-red-zone -fno-asynchronous-unwind-tables -fno-strict-aliasing -fcf-protection=none \
	$(if $(filter 1,$(DEBUG)),-DCONFIG_DEBUG -fno-omit-frame-pointer) -I$(OUT)/gen
SANITIZE := $(if $(filter 1,$(COVERAGE)),--coverage,-fsanitize=address,undefined \
	-fno-sanitize-recover=undefined)
CFLAGS_HOST := $(COMMON) -O1 -fno-omit-frame-pointer -fno-strict-aliasing -DCONFIG_DEBUG \
	$(SANITIZE) -Itests/unit -DGNU_EFI_USE_MS_ABI
# ThreadSanitizer does not know fences; those here order atomics, which it need not be told.
CFLAGS_TSAN := $(COMMON) -O1 -fno-omit-frame-pointer -fno-strict-aliasing -DCONFIG_DEBUG \
	-fsanitize=thread -Wno-tsan -Itests/unit -DGNU_EFI_USE_MS_ABI

OBJS := $(SOURCES:%.c=$(OUT)/%.o) $(ASM:%.S=$(OUT)/%.S.o) $(OUT)/gen/font.o
LINK := $(CC) -nostdlib -static -no-pie -Wl,-T,linker.ld -Wl,--build-id=none -Wl,-z,noexecstack \
	-Wl,-z,max-page-size=4096

.PHONY: all
all: $(OUT)/carousel.elf $(BUILD)/carousel.efi stubs

# --- the hypervisor -------------------------------------------------------------------------------

# Twice: the second time with the names of the functions where the first link put them, and where they
# must still be.
$(OUT)/carousel.elf: linker.ld $(OBJS) $(OUT)/gen/symbols0.o tools/make-symbols
	$(LINK) -o $(OUT)/gen/carousel0.elf $(OBJS) $(OUT)/gen/symbols0.o -lgcc
	tools/make-symbols $(OUT)/gen/carousel0.elf > $(OUT)/gen/symbols.c
	$(CC) $(CFLAGS_TARGET) -c -o $(OUT)/gen/symbols.o $(OUT)/gen/symbols.c
	$(LINK) -o $@.new $(OBJS) $(OUT)/gen/symbols.o -lgcc
	tools/make-symbols $@.new | cmp - $(OUT)/gen/symbols.c
	mv $@.new $@

$(OUT)/gen/symbols0.o: tools/make-symbols cpu/symbols.h
	@mkdir -p $(@D)
	tools/make-symbols | $(CC) $(CFLAGS_TARGET) -MF $(@:.o=.d) -MT $@ -x c -c -o $@ -

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_TARGET) -c -o $@ $<

$(OUT)/%.S.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_TARGET) -c -o $@ $<

# The framebuffer's font, from Debian's fonts-spleen (BSD-2-clause); drivers/font.h.
FONT := /usr/share/consolefonts/spleen-8x16.psfu.gz
GEN_FONT := $(BUILD)/gen/font.c

$(GEN_FONT): tools/make-font $(wildcard $(FONT))
	@mkdir -p $(@D)
	tools/make-font $(FONT) > $@.new
	mv $@.new $@

$(OUT)/gen/font.o: $(GEN_FONT)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_TARGET) -c -o $@ $<

# Structure offsets for the assembly, from C: vmx/offsets.c holds DEFINE(name, value) lines.
$(OUT)/gen/offsets.h: vmx/offsets.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -MMD -MP,$(CFLAGS_TARGET)) -MMD -MF $(@:.h=.d) -MT $@ -S -o $(@:.h=.s) $<
	sed -n 's/.*@@\([A-Z_0-9]*\) \$$\?\(-\?[0-9]*\).*/#define \1 \2/p' $(@:.h=.s) > $@

$(OUT)/vmx/entry.S.o: $(OUT)/gen/offsets.h

# --- the UEFI loader --------------------------------------------------------------------------------

# gnu-efi: a shared object that relocates itself, made into a PE file. Strings for the firmware are
# L"..." of 16 bits; its functions have Microsoft's calling convention.
EFI        := $(BUILD)/efi
EFI_LIBS   := /usr/lib
CFLAGS_EFI := $(COMMON) -O2 -ffreestanding -fpic -fshort-wchar -fno-stack-protector \
	-mgeneral-regs-only -mno-red-zone -fno-asynchronous-unwind-tables -fno-strict-aliasing \
	-fcf-protection=none -fvisibility=hidden -DGNU_EFI_USE_MS_ABI
EFI_OBJS   := $(EFI_SOURCES:%.c=$(EFI)/%.o) $(EFI_ASM:%.S=$(EFI)/%.S.o)

$(EFI)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_EFI) -c -o $@ $<

$(EFI)/%.S.o: %.S
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_EFI) -c -o $@ $<

$(EFI)/carousel.so: $(EFI_OBJS)
	ld -nostdlib -znocombreloc -znoexecstack -shared -Bsymbolic --no-undefined \
		-T $(EFI_LIBS)/elf_x86_64_efi.lds -o $@ $(EFI_LIBS)/crt0-efi-x86_64.o $^ \
		$(EFI_LIBS)/libgnuefi.a $(shell $(CC) -print-libgcc-file-name)

$(BUILD)/carousel.efi: $(EFI)/carousel.so
	objcopy -j .text -j .data -j .dynamic -j .dynsym -j '.rel*' -j .reloc \
		--target efi-app-x86_64 --subsystem=10 $< $@

# --- guest stubs ----------------------------------------------------------------------------------

include guest-stubs/stubs.mk

# --- unit tests on the host -----------------------------------------------------------------------

UNIT_TESTS := $(patsubst tests/unit/%.c,$(HOST)/%,$(wildcard tests/unit/test_*.c))
FAKES      := $(wildcard tests/unit/fakes/*.c)

$(HOST)/libpure.a: $(PURE:%.c=$(HOST)/%.o) $(FAKES:%.c=$(HOST)/%.o) $(HOST)/font.o
	@rm -f $@
	ar rcs $@ $^

$(HOST)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_HOST) -c -o $@ $<

$(HOST)/font.o: $(GEN_FONT)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_HOST) -c -o $@ $<

$(HOST)/test_%: $(HOST)/tests/unit/test_%.o $(HOST)/libpure.a
	$(CC) $(SANITIZE) -o $@ $< $(HOST)/libpure.a -lcmocka -lpthread $(TEST_LIBS)

$(HOST)/test_decode_capstone: TEST_LIBS := -lcapstone

# lib/string.c beside libc: its functions get other names, and its own calls (memmove's of memcpy)
# follow. Without the sanitizers, which would see libc's names in it.
$(HOST)/lib/string_renamed.o: lib/string.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_TARGET) -MT $@ -c -o $@ $<
	objcopy $(foreach f,memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strchr,\
		--redefine-sym $(f)=lib_$(f)) $@

$(HOST)/test_string: $(HOST)/lib/string_renamed.o
$(HOST)/test_string: TEST_LIBS := $(HOST)/lib/string_renamed.o

.PHONY: unit unit-build
unit-build: $(UNIT_TESTS)

# `make unit` runs all, `make unit T=test_lapic` one.
unit: $(if $(T),$(HOST)/$(T),$(UNIT_TESTS))
	@for t in $^; do echo "== $$t"; $$t || exit 1; done

# Which lines of the pure code the unit tests reach, as HTML in build/coverage/html/. Its own build, without
# sanitizers.
COVERED := $(BUILD)/coverage
coverage:
	@command -v genhtml >/dev/null || { echo "coverage: as root: apt-get install lcov" >&2; exit 2; }
	@$(MAKE) --no-print-directory HOST=$(COVERED) COVERAGE=1 unit-build
	@find $(COVERED) -name '*.gcda' -delete
	@for t in $(UNIT_TESTS:$(HOST)/%=$(COVERED)/%); do $$t >$(COVERED)/log 2>&1 || { cat $(COVERED)/log; exit 1; }; done
	@lcov --quiet --capture --directory $(COVERED) --rc lcov_branch_coverage=1 \
		--output-file $(COVERED)/all.info >$(COVERED)/log 2>&1 || { cat $(COVERED)/log; exit 1; }
	@lcov --quiet --remove $(COVERED)/all.info '$(CURDIR)/tests/*' '/usr/*' --rc lcov_branch_coverage=1 \
		--output-file $(COVERED)/pure.info
	@genhtml --quiet --branch-coverage --prefix $(CURDIR) --output-directory $(COVERED)/html $(COVERED)/pure.info
	@lcov --summary $(COVERED)/pure.info --rc lcov_branch_coverage=1 2>&1 | sed -n 's/^  *\([a-z]*\)\.*: */\1: /p'
	@echo "$(COVERED)/html/index.html"

# The tests whose threads are pCPUs, under ThreadSanitizer. STRESS: seconds for each that can go on.
STRESS     ?= 10
TSAN_TESTS := $(TSAN)/test_sched $(TSAN)/test_lapic_post $(TSAN)/test_netswitch_threads $(TSAN)/test_post \
	$(TSAN)/test_pause_threads $(TSAN)/test_trace

$(TSAN)/libpure.a: $(PURE:%.c=$(TSAN)/%.o) $(FAKES:%.c=$(TSAN)/%.o)
	@rm -f $@
	ar rcs $@ $^

$(TSAN)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_TSAN) -c -o $@ $<

$(TSAN)/test_%: $(TSAN)/tests/unit/test_%.o $(TSAN)/libpure.a
	$(CC) -fsanitize=thread -o $@ $< $(TSAN)/libpure.a -lcmocka -lpthread

.PHONY: tsan tsan-build
tsan-build: $(TSAN_TESTS)
tsan: $(TSAN_TESTS)
	@for t in $^; do echo "== $$t"; STRESS=$(STRESS) $$t || exit 1; done

# Whether they would notice: the pure code changed in one place at a time, in a copy of the tree (tools/mutate).
# There all of it is one shared object, without debug information. N: how many, IN: a folder or a file.
N ?= 300
MUTATED       := $(BUILD)/mutate
CFLAGS_MUTATE := $(filter-out -g,$(CFLAGS_HOST)) -fPIC
LINK_MUTATE   := $(CC) $(SANITIZE) -Wl,-soname,libpure.so
MUTATE_TESTS  := $(filter-out %/test_string,$(UNIT_TESTS:$(HOST)/%=$(MUTATED)/%))

# What no object defines, some programs do: it is NULL in the others.
$(MUTATED)/libpure.so: $(PURE:%.c=$(MUTATED)/%.o) $(FAKES:%.c=$(MUTATED)/%.o) $(MUTATED)/font.o
	@$(CC) $(SANITIZE) -shared -Wl,-z,defs -o $@ $^ -lasan -lubsan -lcmocka -lpthread 2>$@.err || true
	sed -n "s/.*undefined reference to .\([a-z_0-9]*\)'.*/-Wl,--defsym,\1=0/p" $@.err | sort -u > $(@D)/missing
	$(LINK_MUTATE) -shared -o $@ @$(@D)/missing $^

$(MUTATED)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_MUTATE) -c -o $@ $<

$(MUTATED)/font.o: $(GEN_FONT)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_MUTATE) -c -o $@ $<

$(MUTATED)/test_%: $(MUTATED)/tests/unit/test_%.o $(MUTATED)/libpure.so
	$(CC) $(SANITIZE) -o $@ $^ -lcmocka -lpthread $(TEST_LIBS)

$(MUTATED)/test_decode_capstone: TEST_LIBS := -lcapstone

.PHONY: mutate mutate-build
mutate-build: $(MUTATED)/libpure.so $(MUTATE_TESTS)
mutate:
	@tools/mutate --seed $(or $(SEED),1) --n $(N) $(if $(IN),--in $(IN)) --cc '$(filter-out -MMD -MP,$(CC) $(CFLAGS_MUTATE)) -w' \
		--link '$(LINK_MUTATE)' --plain '$(filter-out -MMD -MP -g,$(CC) $(CFLAGS_TARGET)) -DCONFIG_DEBUG -DGNU_EFI_USE_MS_ABI' \
		--sources '$(PURE)' $(ARGS)

# libFuzzer over the pure code: T=name one target, S=seconds for each. COVERAGE=1, in a build of its own: without
# the sanitizers, for llvm-cov.
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_FAKES := $(filter-out tests/unit/fakes/panic.c,$(FAKES)) tests/fuzz/panic.c
FUZZ_SANITIZE := $(if $(filter 1,$(COVERAGE)),-fprofile-instr-generate -fcoverage-mapping,\
	-fsanitize=address,undefined -fno-sanitize-recover=all)
# gcc, which builds all but the targets too, gives the warnings.
FUZZ_WARN    = -w
CFLAGS_FUZZ  = -std=gnu11 -I. $(FUZZ_WARN) -MMD -MP -g -O1 -fno-omit-frame-pointer -fno-strict-aliasing -DCONFIG_DEBUG \
	-fsanitize=fuzzer-no-link $(FUZZ_SANITIZE) -Itests/unit -Itests/fuzz -DGNU_EFI_USE_MS_ABI
S ?= 20

$(FUZZ)/libpure.a: $(PURE:%.c=$(FUZZ)/%.o) $(FUZZ_FAKES:%.c=$(FUZZ)/%.o) $(FUZZ)/font.o
	@rm -f $@
	ar rcs $@ $^

$(FUZZ)/tests/fuzz/%.o: FUZZ_WARN = -Wall -Wextra $(if $(filter 1,$(WERROR)),-Werror)
$(FUZZ)/%.o: %.c
	@mkdir -p $(@D)
	clang $(CFLAGS_FUZZ) -c -o $@ $<

$(FUZZ)/font.o: $(GEN_FONT)
	@mkdir -p $(@D)
	clang $(CFLAGS_FUZZ) -c -o $@ $<

$(FUZZ)/fuzz_%: $(FUZZ)/tests/fuzz/fuzz_%.o $(FUZZ)/libpure.a
	clang -fsanitize=fuzzer $(FUZZ_SANITIZE) -o $@ $< $(FUZZ)/libpure.a -lcmocka -lpthread

.PHONY: fuzz fuzz-build
fuzz-build: $(if $(T),$(FUZZ)/fuzz_$(T),$(FUZZ_NAMES:%=$(FUZZ)/fuzz_%))
fuzz:
	@FUZZ=$(S) tests/run.py --part fuzz $(if $(T),--only '^$(T)$$')

# --- what a person calls: packages, the demo, tests, figures ----------------------------------------

.PHONY: deps deps-test demo run test test-guests guest-fuzz nested check-layers check-format lint lint-cppcheck coverage bench debug bench-kvm bench-kvm-build help

# Installs what is missing of Debian's packages, or prints the line that does and fails.
deps:
	@tools/deps run

deps-test:
	@tools/deps test

DEMO := $(BUILD)/demo

# Debian's own kernel, unpacked and not installed, and a busybox initrd.
demo: $(DEMO)/vmlinux
$(DEMO)/vmlinux: tools/demo-linux
	tools/demo-linux $(DEMO)
	@touch $@

# Three stubs and Debian's Linux share two CPUs. FULL=1: the untouched bzImage. ARGS: more words for
# `tools/carousel run`, as ARGS="--host bochs".
DEMO_KERNEL := $(DEMO)/$(if $(filter 1,$(FULL)),bzImage,vmlinux)
DEMO_APPEND := console=ttyS0 earlyprintk=ttyS0 panic=-1 reboot=k i8042.noaux i8042.nomux i8042.nopnp \
	random.trust_cpu=on
run: deps
	@$(MAKE) --no-print-directory all demo
	tools/carousel run --cpus 2 --ips 10000000 --progress $(ARGS) \
		--vm hello --kernel $(BUILD)/stubs/hello.elf --mem 16M \
		--vm ticker --kernel $(BUILD)/stubs/ticker.elf --mem 16M \
			--append "ticks=20 period_us=500000" \
		--vm spinner --kernel $(BUILD)/stubs/spinner.elf --mem 16M --append "slices=100" \
		--vm linux --kernel $(DEMO_KERNEL) --initrd $(DEMO)/initrd.cpio --mem 256M \
			--append "$(DEMO_APPEND)"

# All tests; the last line counts them. ONLY=REGEX picks unit programs and nested cases by name.
test: deps-test
	@tests/run.py $(if $(ONLY),--only '$(ONLY)')

# Programs that nobody here wrote, from Debian packages.
test-guests: deps-test all
	@tests/run.py --part guests $(if $(ONLY),--only '$(ONLY)')

# Fuzzers in guests, beside a victim: eight seeds; or one, by SEED=n, with so many OPS=n.
guest-fuzz: deps-test all
	@$(MAKE) --no-print-directory DEBUG=1 $(BUILD)/debug/carousel.elf
	@SEED=$(SEED) OPS=$(OPS) tests/run.py --part guest-fuzz $(if $(ONLY),--only '$(ONLY)')

# `make nested ONLY=stubs-2cpu` runs some whole-system tests with what is built now.
nested:
	@tests/nested/run.py $(if $(ONLY),--only '$(ONLY)')

check-layers:
	@tools/check-layers

check-format:
	@tests/run.py --part format

# clang-tidy (what .clang-tidy chooses) and cppcheck; a file that was clean is looked at again when its
# object is made again. `make -j2 lint` is twice as fast.
LINT := $(SOURCES:%.c=$(BUILD)/lint/%.tidy) \
	$(patsubst %.c,$(BUILD)/lint/%.tidy,$(wildcard boot/efi/*.c))

lint: lint-cppcheck $(LINT)

define RUN_TIDY
	@mkdir -p $(@D)
	@echo "clang-tidy $<"
	@clang-tidy --quiet $< -- -std=gnu11 -I. -ffreestanding -mgeneral-regs-only -O2 -Wno-everything \
		$(LINT_FLAGS) 2>$@.err || { cat $@.err; exit 1; }
	@touch $@
endef

$(BUILD)/lint/%.tidy: %.c .clang-tidy $(BUILD)/%.o
	$(RUN_TIDY)

$(BUILD)/lint/boot/efi/%.tidy: LINT_FLAGS := -fshort-wchar -DGNU_EFI_USE_MS_ABI
$(BUILD)/lint/boot/efi/%.tidy: boot/efi/%.c .clang-tidy $(EFI)/boot/efi/%.o
	$(RUN_TIDY)

lint-cppcheck:
	@echo "cppcheck"
	@cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 -I. \
		-D__x86_64__ -D__STDC_HOSTED__=0 --suppressions-list=.cppcheck-suppressions \
		--template='{file}:{line}: {severity} {id}: {message}' $(filter-out monitor/gdb,$(FOLDERS)) guest-stubs \
		tests/bench/kvm

# Instructions per operation in Bochs, against tests/bench/baseline.tsv (STORE=1 writes it). SCALE=1: the same with
# more VMs and pCPUs; LINUX=1: Linux to its /init, too; DOCS=1: all of it into docs/performance.md. ARGS: more words for tools/bench, as
# ARGS="--account cpuid".
LINUX_INIT := $(BUILD)/bench/init

$(LINUX_INIT): tests/bench/linux_init.S
	@mkdir -p $(@D)
	$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -o $@ $<

bench: $(BUILD)/carousel.elf stubs $(if $(filter 1,$(LINUX)),demo $(LINUX_INIT) bench-kvm-build)
	@tools/bench $(if $(filter 1,$(STORE)),--store) $(if $(filter 1,$(SCALE)),--scale) \
		$(if $(filter 1,$(LINUX)),--linux) $(if $(filter 1,$(DOCS)),--docs) $(ARGS)

# KVM's figures in the same emulator, for the last columns of build/bench.tsv: Debian's Linux in Bochs, a
# program of ours for /dev/kvm, the benchmark guest (STORE=1 writes tests/bench/kvm.tsv). Some minutes.
RIG      := $(BUILD)/kvm
RIG_OBJS := $(patsubst tests/bench/kvm/%.c,$(RIG)/%.o,$(wildcard tests/bench/kvm/*.c))

$(RIG)/%.o: tests/bench/kvm/%.c
	@mkdir -p $(@D)
	$(CC) $(COMMON) -O2 -c -o $@ $<

$(RIG)/runner: $(RIG_OBJS)
	$(CC) -static -o $@ $^ -lpthread

$(RIG)/shell.bin: tests/bench/kvm/shell.S tests/bench/kvm/shell.ld
	@mkdir -p $(@D)
	$(CC) -nostdlib -static -no-pie -Wl,-T,tests/bench/kvm/shell.ld -Wl,--build-id=none -o $@ $<

bench-kvm-build: $(RIG)/runner $(RIG)/shell.bin

bench-kvm: demo stubs bench-kvm-build
	@tools/bench-kvm $(if $(filter 1,$(STORE)),--store)

# Carousel itself under a debugger: ON=qemu, kvm or bochs; BREAK: the function where it stops.
debug: stubs
	@$(MAKE) --no-print-directory DEBUG=1 all
	@tools/debug $(if $(ON),--on $(ON)) $(if $(BREAK),--break $(BREAK))

help:
	@echo "make              the hypervisor, its UEFI loader and the guest stubs, in $(BUILD)/"
	@echo "make run          the demo: three stubs and Debian's Linux on two CPUs (FULL=1: its bzImage)"
	@echo "make test         all tests (ONLY=REGEX: some of them)"
	@echo "make test-guests  kernels and programs from Debian packages (ONLY=REGEX: some of them)"
	@echo "make guest-fuzz   fuzzers in guests, beside a VM that must not notice (SEED=n OPS=n: one of them, longer)"
	@echo "make unit         the unit tests (T=test_NAME: one program)"
	@echo "make tsan         its tests with threads under ThreadSanitizer (STRESS=SECONDS)"
	@echo "make fuzz         libFuzzer over the pure code (T=NAME: one target; S=SECONDS for each, 20)"
	@echo "make nested       the whole-system tests (ONLY=REGEX: some of them)"
	@echo "make lint         clang-tidy and cppcheck (-j2: two files at a time)"
	@echo "make coverage     which lines the unit tests reach, as HTML in $(BUILD)/coverage/html/"
	@echo "make mutate       whether they notice what is changed in the pure code (SEED=n N=n IN=FOLDER)"
	@echo "make bench        figures of all paths against the stored ones and the goals (STORE=1: store them;"
	@echo "                  SCALE=1: with 1 to 64 VMs on 1 to 8 pCPUs; LINUX=1: Linux to its /init, too)"
	@echo "make bench-kvm    the same of KVM, with Debian's Linux in the same emulator (STORE=1: store them)"
	@echo "make debug        Carousel itself in gdb (ON=qemu, the default, or kvm) or in Bochs' debugger (ON=bochs)"
	@echo "make check-layers who includes whom, against the plan"
	@echo "make check-format the formatting, by clang-format"
	@echo "make deps         the Debian packages that are needed"
	@echo "make clean        removes $(BUILD)/"
	@echo "DEBUG=1 builds with assertions in $(BUILD)/debug/, WERROR=1 makes warnings errors"

.PHONY: clean
clean:
	rm -rf $(BUILD)

.SECONDARY:
# Unpacked packages (root/) have directories of such names, too.
-include $(shell find $(BUILD) -path '*/root' -prune -o -name '*.d' -type f -print 2>/dev/null)
