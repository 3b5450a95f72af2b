/* Who is typed to on the console, and whose console is raw. All under monitor_lock. */
#ifndef MONITOR_FOCUS_H
#define MONITOR_FOCUS_H

#include "guest/vm.h"

/* The VM that is typed to; NULL when it has ended. */
struct vm *focus_vm(void);

/* 'input: NAME (...)': who is typed to. */
void focus_tell(void);

/* At the start: the first VM that runs. */
void focus_first(void);

/* From here on this VM is typed to, and if the console is raw, it is this one's; false when it is
 * NULL or has ended. Or the next that runs, `step` VMs on in a circle. */
bool focus_set(struct vm *vm);
void focus_move(uint32_t step);

/* A byte for it. */
void focus_type(uint8_t byte);

/* Its console raw, lines withheld, for a plain terminal; or lines again. */
void focus_toggle_raw(void);

/* Lines again, whoever's console was raw. */
void focus_lines(void);

/* Lines as long as somebody is at the prompt; and then as it was. */
void focus_suspend_raw(void);
void focus_resume_raw(void);

/* That VM has ended. */
void focus_vm_ended(const struct vm *vm);

#endif
