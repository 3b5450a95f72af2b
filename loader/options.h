/* The tables of words: the hypervisor's own and those of a VM's kernel module. For loader/ only. */
#ifndef LOADER_OPTIONS_H
#define LOADER_OPTIONS_H

#include "loader/config.h"
#include "loader/words.h"

/* Targets: struct hv_options and struct vm_config. At most 64 each. */
extern const struct word_rule hv_word_rules[];
extern const uint32_t hv_word_rule_count;
extern const struct word_rule vm_word_rules[];
extern const uint32_t vm_word_rule_count;

/* `flat_address` until address= or the default for `flat_mode` (0 until mode=) is known. */
#define VM_FLAT_ADDRESS_UNSET UINT64_MAX

/* Keeps the VM's first error: "vm 'NAME': ...". */
void vm_config_fail(struct vm_config *vm, const char *fmt, ...) __printf_like(2, 3);

/* A module that is a disk: its words and its size. `number`: the module's, for messages. */
void config_add_disk(struct vm_config *vm, const struct boot_module *module, uint32_t number,
		     bool has_tail);

/* com1 to com4, or the first I/O port of a UART: a word's value. */
bool config_parse_port(struct span value, uint16_t *port);

/* The word, "console" or a role's, whose port overlaps that of `role`; NULL when none does. */
const char *config_port_conflict(const struct hv_options *options, enum hv_port_role role);

/* net= and mac=; and what is known when all VMs are: the addresses. */
bool config_parse_net(void *target, struct span value);
bool config_parse_macs(void *target, struct span value);
void config_finish_nics(const struct config *config, struct vm_config *vm);

void hv_options_set_defaults(struct hv_options *options);
void vm_config_set_defaults(struct vm_config *vm);

#endif
