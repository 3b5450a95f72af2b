/* EPT: the VM's guest-physical to host-physical tables, in mm/pt.h's terms ('EPT Translation
 * Mechanism'). */
#ifndef VMX_EPT_H
#define VMX_EPT_H

#include "mm/pt.h"

#define EPT_READ      BIT_ULL(0)
#define EPT_WRITE     BIT_ULL(1)
#define EPT_EXECUTE   BIT_ULL(2)
#define EPT_MEMORY_WB (6ull << 3)

int __must_check ept_init(struct pt *ept);

/* RAM: readable, writable, write-back, and executable or not. Leaves of at most `max_leaf`.
 * -ENOMEM. */
int __must_check ept_map_ram(struct pt *ept, gpa_t gpa, hpa_t hpa, uint64_t len, uint64_t max_leaf,
			     bool is_executable);

#endif
