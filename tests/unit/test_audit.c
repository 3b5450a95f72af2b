/* The audit of memory: a page in two VMs, twice in one, or of the hypervisor's in one is found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fakes/vcpu_arch.h"
#include "mm/hostmap.h"
#include "mm/page.h"

static struct vm *a, *b;

static int setup(void **state)
{
	(void)state;
	fake_machine_start(1000000);
	a = fake_vm_create(MIB(2), 1);
	b = fake_vm_create(MIB(2), 1);
	return vm_list(a) || vm_list(b);
}

static int teardown(void **state)
{
	(void)state;
	vm_destroy(a);
	vm_destroy(b);
	fake_machine_end();
	return 0;
}

static void all_is_well(void **state)
{
	(void)state;
	vm_audit(a);
	vm_audit(b);
	vm_audit_host(ptr_to_hpa(&a), sizeof(a), "elsewhere");
}

/* A chunk of b's, moved so that it shares its first or last page with one of a's. */
static void a_page_in_two_vms(void **state)
{
	struct gmem_chunk *of_a = &a->gmem.chunk[0], *of_b = &b->gmem.chunk[0];
	hpa_t old = of_b->host;

	(void)state;
	of_b->host = HPA(of_a->host.v + of_a->len - PAGE_SIZE);
	expect_assert_failure(vm_audit(a));
	expect_assert_failure(vm_audit(b));
	of_b->host = HPA(of_a->host.v - of_b->len + PAGE_SIZE);
	expect_assert_failure(vm_audit_memory(b));
	/* Beside each other. */
	of_b->host = HPA(old.v);
	vm_audit(b);
}

static void a_page_twice_in_one_vm(void **state)
{
	struct gmem_chunk *chunk = a->gmem.chunk;
	hpa_t old = chunk[1].host;

	(void)state;
	assert_true(a->gmem.count > 1);
	chunk[1].host = chunk[0].host;
	expect_assert_failure(vm_audit_memory(a));
	chunk[1].host = old;
	vm_audit_memory(a);
}

static void a_page_of_the_hypervisors(void **state)
{
	struct gmem_chunk *chunk = &b->gmem.chunk[b->gmem.count - 1];
	uint64_t end = chunk->host.v + chunk->len;
	hpa_t old = chunk->host;

	(void)state;
	expect_assert_failure(vm_audit_host(chunk->host, 1, "its first byte"));
	expect_assert_failure(vm_audit_host(HPA(end - 1), 1, "its last byte"));
	expect_assert_failure(vm_audit_host(HPA(chunk->host.v - 1), 2, "across its beginning"));
	/* Behind it, and before it. */
	chunk->len -= PAGE_SIZE;
	vm_audit_host(HPA(end - PAGE_SIZE), 1, "the page behind");
	chunk->host.v += PAGE_SIZE;
	vm_audit_host(old, PAGE_SIZE, "the page before");
	*chunk = (struct gmem_chunk){chunk->base, chunk->len + PAGE_SIZE, old, chunk->order};
	/* The VM's own structure. */
	chunk->host = HPA(ALIGN_DOWN(ptr_to_hpa(a).v, (uint64_t)PAGE_SIZE));
	expect_assert_failure(vm_audit(a));
	chunk->host = old;
	vm_audit(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_is_well),
		cmocka_unit_test(a_page_in_two_vms),
		cmocka_unit_test(a_page_twice_in_one_vm),
		cmocka_unit_test(a_page_of_the_hypervisors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
