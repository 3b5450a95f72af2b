/* The deadline heap: a pairing heap. Children hang in a list by `sibling`; `back` is the previous
 * sibling, or the parent for the first child. */
#include "lib/deadline.h"

/* Makes the later of two roots the first child of the earlier one, which is returned. */
static struct deadline *heap_link(struct deadline *a, struct deadline *b)
{
	if (b->when < a->when) {
		struct deadline *swap = a;

		a = b;
		b = swap;
	}
	b->sibling = a->child;
	if (b->sibling)
		b->sibling->back = b;
	b->back = a;
	a->child = b;
	a->sibling = a->back = NULL;
	return a;
}

/* Makes one heap of a list of siblings: pairs from left to right, then all pairs from right to
 * left, which is what gives O(log n) amortised. */
static struct deadline *heap_merge_siblings(struct deadline *first)
{
	struct deadline *pairs = NULL, *root = NULL;

	while (first) {
		struct deadline *a = first, *b = first->sibling;

		first = b ? b->sibling : NULL;
		a->sibling = a->back = NULL;
		if (b) {
			b->sibling = b->back = NULL;
			a = heap_link(a, b);
		}
		a->sibling = pairs; /* the pairs as a stack */
		pairs = a;
	}
	while (pairs) {
		struct deadline *next = pairs->sibling;

		pairs->sibling = NULL;
		root = root ? heap_link(root, pairs) : pairs;
		pairs = next;
	}
	return root;
}

void deadline_arm(struct deadline_heap *heap, struct deadline *d, uint64_t when)
{
	if (d->is_armed && d == heap->root && !d->child) { /* the only one */
		d->when = when;
		return;
	}
	deadline_cancel(heap, d);
	d->when = when;
	d->child = d->sibling = d->back = NULL;
	d->is_armed = true;
	heap->root = heap->root ? heap_link(heap->root, d) : d;
}

void deadline_cancel(struct deadline_heap *heap, struct deadline *d)
{
	struct deadline *rest;

	if (!d->is_armed)
		return;
	rest = heap_merge_siblings(d->child);
	if (d == heap->root) {
		heap->root = rest;
	} else {
		if (d->back->child == d)
			d->back->child = d->sibling;
		else
			d->back->sibling = d->sibling;
		if (d->sibling)
			d->sibling->back = d->back;
		if (rest)
			heap->root = heap_link(heap->root, rest);
	}
	d->child = d->sibling = d->back = NULL;
	d->is_armed = false;
}

struct deadline *deadline_pop_expired(struct deadline_heap *heap, uint64_t now)
{
	struct deadline *d = heap->root;

	if (!d || d->when > now)
		return NULL;
	deadline_cancel(heap, d);
	return d;
}
