"""Case facts of read_file and list_dir, after the test-suite of openai/codex (Apache-2.0); names and form are ours."""

from __future__ import annotations

from typing import Any

WRAPPER = """\
fn wrapper() {
    if first {
        do_first();
    }
    if second {
        do_second();
    }
}
"""
PYTHON = """\
class Foo:
    def __init__(self, size):
        self.size = size
    def double(self, value):
        if value is None:
            return 0
        result = value * self.size
        return result
class Bar:
    def compute(self):
        helper = Foo(2)
        return helper.double(5)
"""
CPP = """\
#include <vector>
#include <string>

namespace sample {
class Runner {
public:
    void setup() {
        if (enabled_) {
            init();
        }
    }

    // Run the code
    int run() const {
        switch (mode_) {
            case Mode::Fast:
                return fast();
            case Mode::Slow:
                return slow();
            default:
                return fallback();
        }
    }

private:
    bool enabled_ = false;
    Mode mode_ = Mode::Fast;

    int fast() const {
        return 1;
    }
};
}  // namespace sample
"""

READ: list[tuple[str, bytes, dict[str, Any], dict[str, str]]] = [
    ("offset beyond the last line", b"only\n", {"offset": 3, "limit": 1}, {"error": "offset exceeds file length"}),
    ("bytes that are not UTF-8", b"\xff\xfe\nplain\n", {"offset": 1, "limit": 2}, {"output": "L1: ��\nL2: plain"}),
    ("CRLF ends are cut", b"one\r\ntwo\r\n", {"offset": 1, "limit": 2}, {"output": "L1: one\nL2: two"}),
    ("offset zero", b"a\n", {"offset": 0}, {"error": "offset must be a 1-indexed line number"}),
    ("limit zero", b"a\n", {"limit": 0}, {"error": "limit must be greater than zero"}),
    (
        "one blank line is all that a block of one line has",
        b"a\n\nb\n",
        {"offset": 2, "mode": "indentation", "indentation": {"max_lines": 1}},
        {"output": "L2: "},
    ),
    ("a block of blanks alone", b"\n \n\n", {"offset": 2, "mode": "indentation"}, {"output": ""}),
    (
        "comments at the edge belong to the block",
        b"def f():\n    # c\n    if a:\n        x()\n\n    y()\n    z()\n",
        {"offset": 4, "mode": "indentation", "indentation": {"max_levels": 1}},
        {"output": "L2:     # c\nL3:     if a:\nL4:         x()\nL5: \nL6:     y()"},
    ),
    ("any offset in an empty file", b"", {"offset": 1}, {"error": "offset exceeds file length"}),
    (
        "block around a line",
        b"fn outer() {\n    if cond {\n        inner();\n    }\n    tail();\n}\n",
        {
            "offset": 3,
            "limit": 10,
            "mode": "indentation",
            "indentation": {"anchor_line": 3, "max_levels": 1, "include_siblings": False},
        },
        {"output": "L2:     if cond {\nL3:         inner();\nL4:     }"},
    ),
    (
        "three levels of parents",
        b"mod root {\n    fn outer() {\n        if cond {\n            inner();\n        }\n    }\n}\n",
        {"offset": 4, "limit": 50, "mode": "indentation", "indentation": {"anchor_line": 4, "max_levels": 3}},
        {
            "output": "\n".join(
                [
                    "L1: mod root {",
                    "L2:     fn outer() {",
                    "L3:         if cond {",
                    "L4:             inner();",
                    "L5:         }",
                    "L6:     }",
                    "L7: }",
                ]
            )
        },
    ),
    (
        "siblings left out",
        WRAPPER.encode(),
        {"offset": 3, "limit": 50, "mode": "indentation", "indentation": {"anchor_line": 3, "max_levels": 1}},
        {"output": "L2:     if first {\nL3:         do_first();\nL4:     }"},
    ),
    (
        "siblings kept, Python",
        PYTHON.encode(),
        {
            "offset": 1,
            "limit": 200,
            "mode": "indentation",
            "indentation": {"anchor_line": 7, "max_levels": 1, "include_siblings": True},
        },
        {
            "output": "\n".join(
                [
                    "L2:     def __init__(self, size):",
                    "L3:         self.size = size",
                    "L4:     def double(self, value):",
                    "L5:         if value is None:",
                    "L6:             return 0",
                    "L7:         result = value * self.size",
                    "L8:         return result",
                ]
            )
        },
    ),
    (
        "one level, C++",
        CPP.encode(),
        {"offset": 18, "limit": 200, "mode": "indentation", "indentation": {"anchor_line": 18, "max_levels": 1}},
        {
            "output": "\n".join(
                [
                    "L15:         switch (mode_) {",
                    "L16:             case Mode::Fast:",
                    "L17:                 return fast();",
                    "L18:             case Mode::Slow:",
                    "L19:                 return slow();",
                    "L20:             default:",
                    "L21:                 return fallback();",
                    "L22:         }",
                ]
            )
        },
    ),
    (
        "two levels with the comment above, C++",
        CPP.encode(),
        {"offset": 18, "limit": 200, "mode": "indentation", "indentation": {"anchor_line": 18, "max_levels": 2}},
        {
            "output": "\n".join(
                [
                    "L13:     // Run the code",
                    "L14:     int run() const {",
                    "L15:         switch (mode_) {",
                    "L16:             case Mode::Fast:",
                    "L17:                 return fast();",
                    "L18:             case Mode::Slow:",
                    "L19:                 return slow();",
                    "L20:             default:",
                    "L21:                 return fallback();",
                    "L22:         }",
                    "L23:     }",
                ]
            )
        },
    ),
    (
        "two levels with siblings, C++",
        CPP.encode(),
        {
            "offset": 18,
            "limit": 200,
            "mode": "indentation",
            "indentation": {"anchor_line": 18, "max_levels": 2, "include_siblings": True, "include_header": False},
        },
        {
            "output": "\n".join(
                [
                    "L7:     void setup() {",
                    "L8:         if (enabled_) {",
                    "L9:             init();",
                    "L10:         }",
                    "L11:     }",
                    "L12: ",
                    "L13:     // Run the code",
                    "L14:     int run() const {",
                    "L15:         switch (mode_) {",
                    "L16:             case Mode::Fast:",
                    "L17:                 return fast();",
                    "L18:             case Mode::Slow:",
                    "L19:                 return slow();",
                    "L20:             default:",
                    "L21:                 return fallback();",
                    "L22:         }",
                    "L23:     }",
                ]
            )
        },
    ),
]
"""Name, content of the file, arguments, and the text or the error that comes of them."""

LIST: list[tuple[str, dict[str, str], dict[str, Any], dict[str, Any]]] = [
    (
        "levels by indentation",
        {"entry.txt": "x", "link": "symlink:entry.txt", "nested/child.txt": "x", "nested/deeper/grandchild.txt": "x"},
        {"offset": 1, "limit": 20, "depth": 3},
        {"lines": ["entry.txt", "link@", "nested/", "  child.txt", "  deeper/", "    grandchild.txt"]},
    ),
    (
        "offset beyond the last entry",
        {"nested/": ""},
        {"offset": 10, "limit": 1, "depth": 2},
        {"error": "offset exceeds directory entry count"},
    ),
    (
        "three levels",
        {"root.txt": "x", "nested/child.txt": "x", "nested/deeper/grandchild.txt": "x"},
        {"offset": 1, "limit": 30, "depth": 3},
        {"lines": ["nested/", "  child.txt", "  deeper/", "    grandchild.txt", "root.txt"]},
    ),
    (
        "second page",
        {"a/a_child.txt": "x", "b/b_child.txt": "x"},
        {"offset": 3, "limit": 2, "depth": 2},
        {"lines": ["b/", "  b_child.txt"]},
    ),
    (
        "enormous limit",
        {"alpha.txt": "x", "beta.txt": "x", "gamma.txt": "x"},
        {"offset": 2, "limit": 9223372036854775807, "depth": 1},
        {"lines": ["beta.txt", "gamma.txt"]},
    ),
    (
        "more than the limit",
        {"root.txt": "x", "nested/child.txt": "x", "nested/deeper/grandchild.txt": "x"},
        {"offset": 1, "limit": 3, "depth": 3},
        {"lines": ["nested/", "  child.txt", "  deeper/", "More than 3 entries found"]},
    ),
    (
        "hidden entries and trees",
        {"visible/ok.txt": "x", "private/secret.txt": "x", "top_secret.txt": "x"},
        {"offset": 1, "limit": 20, "depth": 3, "deny_read": ["private", "top_secret.txt"]},
        {"lines": ["visible/", "  ok.txt"]},
    ),
    ("depth zero", {}, {"depth": 0}, {"error": "depth must be greater than zero"}),
    ("order of whole paths", {"a/x": "x", "a-b": "x"}, {"depth": 2}, {"lines": ["a/", "a-b", "  x"]}),
]
"""Name, tree, arguments (`deny_read` are hidden paths), and the lines or the error that come of them."""
