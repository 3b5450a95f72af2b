/* A circular doubly linked list whose nodes sit inside the elements. No locking of its own. */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include "lib/types.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}

/* `next` is written by single stores, for list_is_empty. */
static inline void list_set_next(struct list *l, struct list *next)
{
	__atomic_store_n(&l->next, next, __ATOMIC_RELEASE);
}

static inline void list_init(struct list *l)
{
	l->prev = l;
	list_set_next(l, l);
}

/* Of a list, or of an element: is it in none? An element may be looked at without its list's lock;
 * who finds it in one sees what was written before it was put there. */
static inline bool list_is_empty(const struct list *l)
{
	return __atomic_load_n(&l->next, __ATOMIC_ACQUIRE) == l;
}

static inline void list_insert_between(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	next->prev = n;
	list_set_next(n, next);
	list_set_next(prev, n);
}

static inline void list_push_front(struct list *head, struct list *n)
{
	list_insert_between(n, head, head->next);
}

static inline void list_push_back(struct list *head, struct list *n)
{
	list_insert_between(n, head->prev, head);
}

/* Takes `n` out of its list and leaves it pointing at itself, so that a second removal is harmless.
 */
static inline void list_remove(struct list *n)
{
	list_set_next(n->prev, n->next);
	n->next->prev = n->prev;
	list_init(n);
}

#define list_entry(node, type, member) container_of(node, type, member)

#define list_for_each_entry(pos, head, member)                                                     \
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), member);                         \
	     &(pos)->member != (head);                                                             \
	     (pos) = list_entry((pos)->member.next, __typeof__(*(pos)), member))

/* The same, when the body may remove `pos`. */
#define list_for_each_entry_safe(pos, tmp, head, member)                                           \
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), member),                         \
	    (tmp) = list_entry((pos)->member.next, __typeof__(*(pos)), member);                    \
	     &(pos)->member != (head);                                                             \
	     (pos) = (tmp), (tmp) = list_entry((tmp)->member.next, __typeof__(*(pos)), member))

#endif
