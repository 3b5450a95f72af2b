/* The table of the monitor's commands. */
#include "monitor/commands.h"

#include "lib/string.h"

static enum command_result command_help(struct session *s);

const struct command commands[] = {
	{"help", "[COMMAND]", "this list, or how a command is used", command_help},
	{"vms", "", "the VMs and how they are", command_vms},
	{"vcpus", "[VM[.VCPU]]", "the vCPUs: state, pCPU, times", command_vcpus},
	{"pcpus", "", "the pCPUs: what runs there, load, idle time", command_pcpus},
	{"stats", "[VM[.VCPU]]", "times, exits, halt polling of each vCPU, as at the end",
	 command_stats},
	{"exits", "[VM[.VCPU]]", "exits of each vCPU by reason", command_exits},
	{"pause", "VM[.VCPU]", "keep it out of the guest, until resume", command_pause},
	{"resume", "VM[.VCPU]", "let it go on", command_resume},
	{"reset", "VM", "as if the guest asked for a reset: see on-reset=", command_reset},
	{"kill", "VM [WHY]", "end it as failed", command_kill},
	{"verdict", "VM ok|failed [WHY]", "end it with this verdict", command_verdict},
	{"pin", "VM[.VCPU] CPU,CPU|any", "where it may run, from now on: see pin=", command_pin},
	{"weight", "VM NUMBER", "its share, from now on: see weight=", command_weight},
	{"dump", "VM[.VCPU]", "registers, segments and control registers of a vCPU", command_dump},
	{"x", "[/COUNT FORMAT SIZE] VM|VM.VCPU|host ADDRESS",
	 "memory: guest-physical, guest-virtual, host-physical; as x /16xw a 0x1000", command_x},
	{"trace", "on|off|GROUP,GROUP|dump",
	 "what is traced: see trace=; dump: write it to dump='s port", command_trace},
	{"audit", "", "look whether each VM's memory is its own, and panic if not", command_audit},
	{"loglevel", "[error|warn|info|debug]", "how much the hypervisor says", command_loglevel},
	{"focus", "VM", "who gets what is typed", command_focus},
	{"raw", "[VM]", "its console byte for byte, for a program (lines have STX in front)",
	 command_raw},
	{"lines", "", "the end of raw", command_lines},
	{"room", "", "how many bytes can be typed now without loss", command_room},
	{"exit", "", "leave the prompt", command_exit},
	{"quit", "", "end all VMs, as failed", command_quit},
	{"panic", "", "have the hypervisor fail, for its report", command_panic},
};
const uint32_t command_count = ARRAY_SIZE(commands);

const struct command *command_find(struct arg name)
{
	for (uint32_t i = 0; i < command_count; i++)
		if (arg_is(name, commands[i].name))
			return &commands[i];
	return NULL;
}

const char *command_complete(const char *start, size_t len, bool is_vm, uint32_t n)
{
	uint32_t count = is_vm ? vm_count() : command_count;

	for (uint32_t i = 0; i < count; i++) {
		const char *name = is_vm ? vm_get(i)->name : commands[i].name;

		if (!strncmp(name, start, len) && !n--)
			return name;
	}
	return NULL;
}

static void tell_usage(struct session *s, const struct command *command)
{
	out_printf(&s->out, "%s%s%s: %s\n", command->name, *command->usage ? " " : "",
		   command->usage, command->help);
}

/* All of them in one piece: there are few. */
static enum command_result command_help(struct session *s)
{
	struct arg name = args_next(&s->args);
	const struct command *command = command_find(name);

	if (name.len && !command)
		session_fail(s, "there is no command '%.*s'", ARG(name));
	else if (command)
		tell_usage(s, command);
	for (uint32_t i = 0; !name.len && i < command_count; i++)
		tell_usage(s, &commands[i]);
	return COMMAND_DONE;
}
