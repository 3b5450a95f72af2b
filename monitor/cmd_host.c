/* What is done to the hypervisor itself. */
#include "guest/vm.h"
#include "lib/log.h"
#include "lib/trace.h"
#include "monitor/commands.h"
#include "monitor/dump.h"
#include "monitor/fault.h"
#include "monitor/tracing.h"

uint32_t command_trace_records;

enum command_result command_loglevel(struct session *s)
{
	static const char *const names[] = {[LOG_ERROR] = "error",
					    [LOG_WARN] = "warn",
					    [LOG_INFO] = "info",
					    [LOG_DEBUG] = "debug"};
	struct arg word = args_next(&s->args);

	if (!word.len) {
		out_printf(&s->out, "loglevel: %s\n", names[log_level()]);
		return COMMAND_DONE;
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (arg_is(word, names[i])) {
			log_set_level((enum log_level)i);
			return COMMAND_DONE;
		}
	}
	session_fail(s, "a level is error, warn, info or debug, not '%.*s'", ARG(word));
	return COMMAND_DONE;
}

/* A piece of a dump, begun by the first. */
static enum command_result dump_more(struct session *s)
{
	if (s->step || dump_begin(DUMP_BY_COMMAND))
		return dump_step() ? COMMAND_MORE : COMMAND_DONE;
	session_fail(s, dump_has_sink() ? "another dump is being written"
					: "there is no port to dump to: dump= names one");
	return COMMAND_DONE;
}

enum command_result command_trace(struct session *s)
{
	struct arg word = args_next(&s->args);
	uint32_t groups = TRACE_GROUPS_ALL;

	if (s->step || arg_is(word, "dump"))
		return dump_more(s);
	if (!arg_is(word, "on") && !trace_parse_groups(word.text, word.len, &groups))
		session_fail(
			s, "trace on, off, dump, or some of sched,poll,exit,inject,ipi; not '%.*s'",
			ARG(word));
	else if (!tracing_set(groups, command_trace_records))
		session_fail(s, "no memory to trace: trace-records= smaller");
	return COMMAND_DONE;
}

/* A VM a call. */
enum command_result command_audit(struct session *s)
{
	struct vm *vm = vm_get(s->step);

	vm_audit(vm);
	out_printf(&s->out, "%s: its memory is its own\n", vm->name);
	return s->step + 1 < vm_count() ? COMMAND_MORE : COMMAND_DONE;
}

enum command_result command_panic(struct session *s)
{
	struct arg kind = args_next(&s->args);

	if (!fault_inject(kind.text, kind.len))
		session_fail(s,
			     "panic takes no word but, in debug builds, a kind of fault; not "
			     "'%.*s'",
			     ARG(kind));
	return COMMAND_DONE;
}
