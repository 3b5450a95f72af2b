/* Types and small macros that every file uses. */
#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A guest-physical and a host-physical address. Distinct types, so that the compiler refuses a
 * mix-up; `.v` is the byte address. */
typedef struct {
	uint64_t v;
} gpa_t;
typedef struct {
	uint64_t v;
} hpa_t;

#define GPA(x) ((gpa_t){.v = (x)})
#define HPA(x) ((hpa_t){.v = (x)})

#define __must_check        __attribute__((warn_unused_result))
#define __printf_like(f, a) __attribute__((format(printf, f, a)))
#define __noreturn          __attribute__((noreturn))
#define __packed            __attribute__((packed))
#define __aligned(n)        __attribute__((aligned(n)))
#define __force_inline      inline __attribute__((always_inline))
#define __unused            __attribute__((unused))
#define __cold              __attribute__((cold, noinline))
#define likely(x)           __builtin_expect(!!(x), 1)
#define unlikely(x)         __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1u << (n))
#define BIT_ULL(n)    (1ull << (n))
#define CACHE_LINE    64

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Makes the compiler forget how it came by a variable: it keeps it in a register and does not
 * compute it anew from where it came. For hot paths only. */
#define hide_origin(var) __asm__("" : "+r"(var))

/* `n` must be a power of two. */
#define ALIGN_UP(x, n)   (((x) + ((n)-1)) & ~((n)-1))
#define ALIGN_DOWN(x, n) ((x) & ~((n)-1))
#define IS_ALIGNED(x, n) (((x) & ((n)-1)) == 0)

#define MIN(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) min_a_ = (a);                                                        \
		__typeof__(b) min_b_ = (b);                                                        \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})
#define MAX(a, b)                                                                                  \
	({                                                                                         \
		__typeof__(a) max_a_ = (a);                                                        \
		__typeof__(b) max_b_ = (b);                                                        \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})

#define KIB(n)     ((uint64_t)(n) << 10)
#define MIB(n)     ((uint64_t)(n) << 20)
#define GIB(n)     ((uint64_t)(n) << 30)
#define PAGE_SHIFT 12
#define PAGE_SIZE  4096u
#define SIZE_2M    MIB(2)
#define SIZE_1G    GIB(1)

/* The most pCPUs and vCPUs of one VM that fixed tables are sized for. */
#define MAX_PCPUS    512 /* a multiple of 64 */
#define MAX_VM_VCPUS 16

#endif
