"""tools/mutate: what it changes, what it leaves alone, and that it tells killed from survived."""

import importlib.machinery
import importlib.util
import os
import random
import shutil
import tempfile
import unittest
from collections import Counter

import support
from carousel_lib.mutate import equivalents, mutations, programs, tokens


def load(name, path):
    loader = importlib.machinery.SourceFileLoader(name, os.path.join(support.PROJECT, path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


mutate = load("mutate", "tools/mutate")


def changed(text, kind):
    """What `text` can become by mutations of one kind."""
    return {m.apply(text) for site in mutations.find_sites(text, random.Random(1)) if site.kind == kind
            for m in site.choices}


class Mutations(unittest.TestCase):
    def test_operators_of_two_operands_stand_apart(self):
        self.assertEqual(changed("x = a * *b;", "operator"), {"x = a / *b;", "x = a + *b;"})
        self.assertEqual(changed("x = &a & b;", "operator"), {"x = &a | b;", "x = &a ^ b;"})
        self.assertEqual(changed("x = !a;", "operator"), {"x = a;"})
        self.assertEqual(changed("if (a < b)", "operator"), {"if (a <= b)", "if (a >= b)"})

    def test_constants(self):
        self.assertEqual(changed("x = 4;", "constant") - {"x = 5;", "x = 3;", "x = 0;"} - {"x = 6;"}, set())
        self.assertIn("x = 0x101u;", changed("x = 0x100u;", "constant"))
        self.assertEqual(changed("x = 0;", "constant"), {"x = 1;"})

    def test_statements_left_out(self):
        self.assertEqual(changed("{ f(a, b); }", "call"), {"{ ; }"})
        self.assertEqual(changed("{ (void)p->f(a)[1]; }", "call"), {"{ ; }"})
        self.assertEqual(changed("{ a->b[f(1)] = 2; }", "assignment"), {"{ ; }"})
        self.assertEqual(changed("{ if (a) b += 2; }", "assignment"), {"{ if (a) ; }"})
        self.assertEqual(changed("{ uint32_t a = f(1); }", "call"), set())
        self.assertEqual(changed("{ struct a *b = f(1); }", "assignment"), set())
        self.assertEqual(changed("{ x = (int)f(1); }", "call"), set())

    def test_returns_and_conditions(self):
        self.assertEqual(changed("return -EINVAL;", "return"), {"return 0;", "return -ENOTTY;"})
        self.assertEqual(changed("return true;", "return"), {"return false;"})
        self.assertEqual(changed("return a + 1;", "return"), {"return 0;", "return !(a + 1);"})
        self.assertEqual(changed("return;", "return"), {";"})
        self.assertEqual(changed("if (a &&\n b) c();", "condition"), {"if (!(a &&\n b)) c();"})

    def test_lines_stay(self):
        for text in ("{ f(a,\n b);\n}", "return a +\n b;"):
            for site in mutations.find_sites(text, random.Random(1)):
                for m in site.choices:
                    self.assertEqual(m.apply(text).count("\n"), text.count("\n"))

    def test_left_alone(self):
        for text in ("/* a + 1 */", "// a + 1\n", "#define A \\\n (1 + 2)\n", '"a + 1"', "'1'", "static_assert(a + 1 == 2);",
                     "ASSERT(a + 1);", "struct a { int b[3]; int c : 4; };", "uint8_t a[16];", "static char *a[16 + 1];",
                     "char a, b[7];", "char a[3][4];"):
            self.assertEqual(mutations.find_sites(text, random.Random(1)), [], text)
        self.assertTrue(mutations.find_sites("a[1] = b[2];", random.Random(1)))
        self.assertTrue(mutations.find_sites("int a[] = { [1] = 2 };", random.Random(1)))


class Tokens(unittest.TestCase):
    def test_text_is_found_again(self):
        text = 'a /* ; */ = "b\\"c"; // d\n#define e\n f->g >>= 0x10ull;'
        self.assertEqual([t.text for t in tokens.tokenize(text)],
                         ["a", "=", '"b\\"c"', ";", "f", "->", "g", ">>=", "0x10ull", ";"])


class Equivalents(unittest.TestCase):
    def test_paragraphs(self):
        known = equivalents.parse("# words\n\nfile a.c\n- x =\t1;\n+ x = 2;\nNobody reads\nx.\n\nfile a.c\n- f();\n+ ;\nno\n")
        self.assertEqual(known[equivalents.Equivalent("a.c", "x = 1;", "x = 2;")], "Nobody reads x.")
        self.assertEqual(len(known), 2)

    def test_the_line_above(self):
        known = equivalents.parse("file a.c\n= if  (x)\n- return;\n+ ;\nwhy\n")
        suite = Runs.Suite()
        self.assertEqual(mutate.try_one(suite, "a.c", "if (x)\n return;\n", "if (x)\n ;\n", known), "equivalent")
        self.assertEqual(mutate.try_one(suite, "a.c", "if (y)\n return;\n", "if (y)\n ;\n", known), "killed by test_a")

    def test_wrong(self):
        for text in ("file a.c\n- b\n+ c\n", "a.c\n- b\n+ c\nwhy\n", "file a.c\n- b\n+ c\nwhy\n\nfile a.c\n- b\n+ c\nagain\n"):
            with self.assertRaises(ValueError):
                equivalents.parse(text)

    def test_the_tree_has_each_line(self):
        with open(os.path.join(support.PROJECT, "tests/mutate/equivalents"), encoding="utf-8") as f:
            known = equivalents.parse(f.read())
        for key in known:
            with open(os.path.join(support.PROJECT, key.file), encoding="utf-8") as f:
                self.assertIn(key.before, equivalents.squeeze(f.read()), key.file)


class Runs(unittest.TestCase):
    """With programs that are a shell script's verdict on the changed text."""

    class Suite:
        def build(self, name, new):
            self.new = new
            return "^ b" not in new

        def killer(self, name):
            return "test_a" if "1" not in self.new else None

        def is_same(self, name, old, new):
            return "return 1 + 0" in new

    def test_verdicts(self):
        suite, old = self.Suite(), "x = a & b + 1;"
        known = {equivalents.Equivalent("a.c", old, "x = a | b + 1;"): "why"}
        self.assertEqual(mutate.try_one(suite, "a.c", old, "x = a | b + 1;", known), "equivalent")
        self.assertEqual(mutate.try_one(suite, "b.c", old, "x = a | b + 1;", known), "survived")
        self.assertEqual(mutate.try_one(suite, "a.c", old, "x = a ^ b + 1;", known), "does not compile")
        self.assertEqual(mutate.try_one(suite, "a.c", old, "x = a & b + 0;", known), "killed by test_a")
        self.assertEqual(mutate.try_one(suite, "a.c", old, "return 1 + 0;", known), "no change")

    def test_a_seed_is_a_run(self):
        files = {"a/a.c": "int a(int b)\n{\n\tif (b < 1)\n\t\tc();\n\tb = 3;\n\treturn b + 7;\n}\n"}
        first = [mutate.draw(files, random.Random(f"5 {i}")) for i in range(20)]
        self.assertEqual(first, [mutate.draw(files, random.Random(f"5 {i}")) for i in range(20)])
        self.assertEqual({m.kind for _, m in first}, set(mutations.KINDS))

    def test_table(self):
        text, is_good = mutate.table({"lib": Counter(killed=97, survived=3, equivalent=5)})
        self.assertTrue(is_good)
        self.assertIn("97.0", text)
        self.assertFalse(mutate.table({"lib": Counter(killed=97, survived=3), "mm": Counter(killed=9, survived=1)})[1])

    def test_show(self):
        self.assertEqual(mutate.show("a\n  b c\nd\n", "a\n  b\nd\n"), (2, "b c", "b", "a"))


class Copies(unittest.TestCase):
    def test_a_tree_is_copied_without_what_git_ignores(self):
        with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as to:
            shutil.copy(os.path.join(support.PROJECT, ".gitignore"), root)
            for path in ("a/b.c", "build/c.o"):
                os.makedirs(os.path.dirname(os.path.join(root, path)))
                with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                    f.write("1")
            with open(os.path.join(to, "gone.c"), "w", encoding="utf-8") as f:
                f.write("2")
            os.system(f"git -C {root} init -q")
            programs.copy_tree(root, to)
            before = os.stat(os.path.join(to, "a/b.c")).st_mtime_ns
            programs.copy_tree(root, to)
            self.assertEqual(before, os.stat(os.path.join(to, "a/b.c")).st_mtime_ns)
            self.assertEqual(sorted(os.listdir(to)), [".gitignore", "a"])


if __name__ == "__main__":
    unittest.main()
