/* The audit of an EPT finds every leaf that is not as a VM's memory is to be mapped. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mm/hostmap.h"
#include "mm/page.h"
#include "vmx/ept.h"
#include "vmx/ept_audit.h"

#define ARENA MIB(1)

/* The VM's memory is elsewhere than the tables, and is not touched: 640K, then 4M from 2M on. */
#define LOW    MIB(512)
#define HIGH   MIB(1024)
#define ACCESS MIB(2048)
#define APIC   0xfee00000ull

static uint8_t *arena, state_bytes[ARENA >> PAGE_SHIFT];
static struct pt ept;
static struct gmem gmem;
static struct ept_plan plan;

static int setup(void **state)
{
	hpa_t start;

	(void)state;
	arena = aligned_alloc(ARENA, ARENA);
	start = ptr_to_hpa(arena);
	page_init(start, HPA(start.v + ARENA), state_bytes);
	page_add_range(start, HPA(start.v + ARENA));
	gmem = (struct gmem){.count = 2,
			     .chunk = {{.base = GPA(0), .len = 0xa0000, .host = HPA(LOW)},
				       {.base = GPA(MIB(2)), .len = MIB(4), .host = HPA(HIGH)}}};
	plan = (struct ept_plan){.gmem = &gmem,
				 .access_gpa = GPA(APIC),
				 .access_page = HPA(ACCESS),
				 .is_split = true};
	assert_int_equal(ept_init(&ept), 0);
	for (unsigned i = 0; i < gmem.count; i++)
		assert_int_equal(ept_map_ram(&ept, gmem.chunk[i].base, gmem.chunk[i].host,
					     gmem.chunk[i].len, SIZE_1G, false),
				 0);
	assert_int_equal(ept_map_ram(&ept, GPA(APIC), HPA(ACCESS), PAGE_SIZE, PAGE_SIZE, false), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(arena);
	return 0;
}

static void find(const char *why, uint64_t gpa)
{
	struct ept_fault fault = ept_audit(&ept, &plan);

	if (!why) {
		assert_null(fault.why);
		return;
	}
	assert_non_null(fault.why);
	assert_string_equal(fault.why, why);
	assert_int_equal(fault.gpa, gpa);
}

/* One leaf's bits changed, looked at, and put back. */
static void find_with(uint64_t gpa, uint64_t flip, const char *why)
{
	uint64_t size, *leaf = pt_lookup(&ept, gpa, &size), old;

	assert_non_null(leaf);
	old = *leaf;
	*leaf ^= flip;
	find(why, ALIGN_DOWN(gpa, size));
	*leaf = old;
	find(NULL, 0);
}

static void as_it_is_made(void **state)
{
	(void)state;
	find(NULL, 0);
	/* A 2M leaf split for execution, in part. */
	assert_int_equal(ept_map_ram(&ept, GPA(MIB(2)), HPA(HIGH), SIZE_2M, PAGE_SIZE, true), 0);
	find(NULL, 0);
	/* The CPU's own bits. */
	find_with(MIB(4), 0, NULL);
	*pt_lookup(&ept, MIB(4), &(uint64_t){0}) |= 1u << 8 | 1u << 9;
	find(NULL, 0);
}

static void each_bad_leaf(void **state)
{
	const char *bits = "it has other bits than Carousel sets";
	const char *other = "it maps other memory than the VM's there";

	(void)state;
	find_with(0x1000, 0x1000, other);
	find_with(0x9f000, MIB(1), other);
	find_with(MIB(4), SIZE_2M, other);
	find_with(0x1000, 1, bits);          /* not readable */
	find_with(0x1000, 2, bits);          /* not writable */
	find_with(0x1000, 1u << 3, bits);    /* no memory type at all */
	find_with(0x1000, 6u << 3, bits);    /* UC */
	find_with(0x1000, 1u << 6, bits);    /* 'ignore PAT' */
	find_with(0x1000, 1ull << 10, bits); /* mode-based execute */
	find_with(0x1000, 1ull << 63, bits); /* 'suppress #VE' */
	find_with(MIB(4), 1u << 12, bits);   /* an address in a large leaf's reserved bits */
	find_with(MIB(4), EPT_EXECUTE, "it is large and executable");
	find_with(APIC, 0x1000, "it is not the APIC-access page");
	find_with(APIC, EPT_EXECUTE, "the APIC-access page is executable");
}

static void what_is_not_the_vms(void **state)
{
	const char *none = "it is no memory of the VM";

	(void)state;
	/* Beside its memory: the hole, behind the end, the access page of a VM that has none. */
	assert_int_equal(
		ept_map_ram(&ept, GPA(0xa0000), HPA(LOW + 0xa0000), PAGE_SIZE, PAGE_SIZE, false),
		0);
	find(none, 0xa0000);
	assert_int_equal(pt_unmap(&ept, 0xa0000, PAGE_SIZE), 0);
	assert_int_equal(
		ept_map_ram(&ept, GPA(MIB(6)), HPA(HIGH + MIB(4)), PAGE_SIZE, PAGE_SIZE, false), 0);
	find(none, MIB(6));
	assert_int_equal(pt_unmap(&ept, MIB(6), PAGE_SIZE), 0);
	plan.access_page = HPA(0);
	find(none, APIC);
	plan.access_page = HPA(ACCESS);
	find(NULL, 0);
	/* A leaf that begins in a chunk and ends outside. */
	gmem.chunk[1].len = MIB(3);
	find("it reaches beyond its piece of the VM's memory", MIB(4));
	/* A VM's memory that has become smaller or another's. */
	gmem.count = 1;
	find(none, MIB(2));
}

/* Where the CPU bears executable large leaves they are what a VM has. */
static void executable_large_leaves(void **state)
{
	(void)state;
	assert_int_equal(ept_map_ram(&ept, GPA(MIB(2)), HPA(HIGH), MIB(4), SIZE_2M, true), 0);
	find("it is large and executable", MIB(2));
	plan.is_split = false;
	find(NULL, 0);
}

/* The tables are no guest's memory, and are all visited. */
static void note_table(void *ctx, hpa_t table)
{
	uint64_t *sum = ctx;

	assert_true(hpa_to_ptr(table) >= (void *)arena &&
		    hpa_to_ptr(table) < (void *)(arena + ARENA));
	++*sum;
}

static void every_table_is_visited(void **state)
{
	uint64_t sum = 0;

	(void)state;
	pt_for_each_table(&ept, note_table, &sum);
	assert_int_equal(sum, ept.tables);
	assert_int_equal(ept_map_ram(&ept, GPA(MIB(2)), HPA(HIGH), SIZE_2M, PAGE_SIZE, true), 0);
	sum = 0;
	pt_for_each_table(&ept, note_table, &sum);
	assert_int_equal(sum, ept.tables);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(as_it_is_made),          TEST(each_bad_leaf),
		TEST(what_is_not_the_vms),    TEST(executable_large_leaves),
		TEST(every_table_is_visited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
