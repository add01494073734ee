"""Rows of our own, worked out from the rules of classification one by one; each line is what a shell is given."""

from __future__ import annotations

import shlex

import pytest

from toolscript_tools.shell.classify import dangerous, known_safe, shell_type, split_script

SAFE = r"""
cat a b c
cd sub && ls -la
cut -d: -f1 /etc/passwd
echo hello | tr a-z A-Z
expr 1 + 2
false || true
grep -rn 'TODO' src
grep -e -f file
head -n 5 a; tail -n 5 a
id -u
nl a | head
paste a b
pwd; whoami; uname -a
rev a
seq 1 10
stat -c %s a
which python3
base64 a
base64 -d a
base64 --decode a
base64 -w 0 a
find . -name '*.py' -type f
find . -maxdepth 2 -print
find . -name execute
find . -newer a -size +1k
rg needle
rg -n -i needle src
rg --files
rg -g '*.py' needle
rg --type py needle
rg -A 3 -B 3 needle
sed -n 1p a
sed -n 10,20p a
sed -n 5p
sed -n '1,5p' a
git status
git status --short
git log -n 5 --oneline
git log -p
git log --stat --author=me
git diff HEAD~1 -- a
git diff --name-only
git diff --cached
git show HEAD:a
git show --stat
git branch
git branch -a
git branch --list
git branch -vv
git branch --show-current
git branch --format='%(refname)'
git --no-pager log
git -P diff
ls && pwd || echo no
ls | wc -l | cat
ls
cat 'a b' "c d"
echo "it's" 'say "x"'
numfmt 1000
tac a
uniq a
uniq -c a
uniq -f 1 a
""".strip().splitlines()
UNSAFE = r"""
ls > out
ls >> out
ls 2> /dev/null
cat < a
cat <<< a
ls &
ls & pwd
ls |& cat
! ls
(ls)
{ ls; }
if true; then ls; fi
for x in a b; do echo $x; done
while true; do ls; done
case a in a) ls;; esac
echo $HOME
echo ${HOME}
echo "$HOME"
echo $(ls)
echo `ls`
echo "a $(ls) b"
echo $((1 + 1))
cat <(ls)
A=1 ls
A=1
[[ -f a ]]
[ -f a ]
test -f a
ls # comment
f() { ls; }
"ls"
'ls' -l
l"s"
echo $'a'
echo $"a"
time ls
exec ls
eval ls
command ls
env ls
sudo ls
nohup ls
xargs ls
sort a
sort -o out a
awk '{print}' a
sed 1p a
sed -n p a
sed -n 1p a b
sed -n '1w out' a
sed -n 1,2,3p a
sed -n 1,p a
sed -n '$p' a
sed -i s/a/b/ a
sed -e 1p a
sed -n -e 1p a
sed --quiet 1p a
find . -delete
find . -exec cat {} +
find . -execdir rm {} ;
find . -ok rm {} ;
find . -fprint out
find . -fls out
find . -name '*' -delete
find . -name \*
find . -name *.py
find {a,b} -name x
find . -name [ab]
rg --pre cat needle
rg --pre=cat needle
rg -z needle
rg -nz needle
rg --search-zip needle
rg --hostname-bin=x needle
rg --hostname-bin x needle
rg a*b
base64 -o out a
base64 -oout a
base64 --output=out a
base64 --output out a
git commit -m x
git push
git checkout main
git reset --hard
git fetch
git stash
git add a
git config --list
git branch new
git branch -d old
git branch -D old
git branch -m old new
git branch --delete old
git branch --edit-description
git branch --set-upstream-to=o/m
git branch -c a b
git branch --list new
git -C sub status
git -Csub status
git -c core.pager=x log
git -ccore.pager=x log
git --git-dir=.git log
git --git-dir .git log
git --work-tree=. status
git --exec-path=/tmp status
git --exec-path status
git --namespace=x log
git --super-prefix=x log
git --config-env=a=B log
git -p log
git --paginate log
git diff --output=out
git diff --output out
git log --ext-diff
git show --textconv
git log --exec=x
git
git --version
git tag
git blame a
git ls-files
git status\
git lo\g
touch a
mkdir a
rm a
cp a b
mv a b
ln -s a b
chmod 755 a
tee out
dd if=a of=b
curl x
wget x
python3 -c 1
node -e 1
cargo check
npm test
make
vi a
less a
more a
date
hostname
ps
df
du
tree
file a
printf x
printenv
env
xxd a
od a
strings a
jq . a
diff a b
cmp a b
md5sum a
basename a
dirname a
realpath a
readlink a
sleep 1
man ls
""".strip().splitlines()

FORCED = r"""
rm -f a
rm -rf a
rm -fr a
rm -Rf a
rm -rvf a
rm -r -f a
rm --force a
rm a -f
rm --recursive --force a
/bin/rm -f a
sudo rm -f a
sudo sudo rm -f a
env rm -f a
env -i rm -f a
env A=1 B=2 rm -f a
env -- rm -f a
env --ignore-environment rm -f a
sudo env A=1 rm -f a
ls && rm -f a
ls; rm -f a
ls | rm -f a
if true; then rm -f a; fi
for x in 1; do rm -f $x; done
f() { rm -f a; }
(rm -f a)
{ rm -f a; }
echo $(rm -f a)
echo "$(rm -f a)"
echo `rm -f a`
rm -f $X
rm -f "$X/a"
rm -f a > out 2>&1
! rm -f a
rm -f a &
trap 'rm -f a' EXIT
trap -- 'rm -f a' EXIT
bash -c 'rm -f a'
sh -lc 'ls; rm -f a'
bash -c "bash -c 'rm -f a'"
while true; do rm -rf a; done
case a in a) rm -f b;; esac
A=1 rm -f a
""".strip().splitlines()

NOT_FORCED = r"""
rm a
rm -r a
rm -i a
rm -- -f
rm -r -- -f
rm --recursive a
rm --interactive a
echo rm -f a
echo 'rm -f a'
ls -f
cp -f a b
mv -f a b
ln -sf a b
git rm -f a
git reset --hard
git clean -fd
find . -delete
xargs rm -f
timeout 5 rm -f a
nice rm -f a
eval 'rm -f a'
sudo -u me rm -f a
rmdir a
rm
rm -
cat <<X\nrm -f a\nX
rm -f a && (
trap - EXIT
env -u A rm -f a
command rm -f a
nohup rm -f a
""".strip().splitlines()

SPLIT = [
    ("a;b;c", [["a"], ["b"], ["c"]]), ("a && b || c | d", [["a"], ["b"], ["c"], ["d"]]), ("a\nb", [["a"], ["b"]]),
    ("a 'b c' \"d e\" f", [["a", "b c", "d e", "f"]]), ("a b'c'\"d\"", [["a", "bcd"]]), ("a --x='y z'", [["a", "--x=y z"]]),
    ("a ''", [["a", ""]]), ('a ""', [["a", ""]]), ("a 1 -2 3.5", [["a", "1", "-2", "3.5"]]), ("", []), ("  ", []), ("a;", [["a"]]),
    ("a '$x' '`y`'", [["a", "$x", "`y`"]]), ("a b\\ c", [["a", "b\\ c"]]), ("a *.py", [["a", "*.py"]]), ("a ~/b", [["a", "~/b"]]),
    ("a https://x.y/z?q=1", [["a", "https://x.y/z?q=1"]]), ("a -n+5", [["a", "-n+5"]]), ("a\n\n\nb", [["a"], ["b"]]),
]  # fmt: skip
NOT_SPLIT = ["a > b", "a $b", "a &", "(a)", "a; (b)", "a `b`", "A=1 a", "A=1", "! a", "a |& b", "a # b", "# a", "a <<X\nX", "if a; then b; fi",
             "a &&", "| a", "a 'b", 'a "b', "a ${b:-c}", "a $((1))", "'a' b", '"a"', "a\"$b\"c", "a <(b)", "a >(b)", "[[ a ]]", "a () { b; }",
             "a $'b'", "a ;; b", "a || || b", "function a { b; }", "select x in a; do b; done", "((1))"]  # fmt: skip


@pytest.mark.parametrize("line", SAFE)
def test_lines_that_only_read_are_known_to_be_safe(line: str) -> None:
    for shell in ("bash", "zsh", "sh", "/bin/bash"):
        for flag in ("-c", "-lc"):
            assert known_safe([shell, flag, line])


@pytest.mark.parametrize("line", UNSAFE)
def test_all_other_lines_are_not_known_to_be_safe(line: str) -> None:
    assert not known_safe(["bash", "-lc", line])
    assert not known_safe(["bash", "-lc", f"ls && {line}"])


@pytest.mark.parametrize("argv", [["bash", "-c"], ["bash", "-c", "ls", "x"], ["bash", "-l", "-c", "ls"], ["bash", "-ic", "ls"], ["dash", "-c", "ls"],
                                  ["fish", "-c", "ls"], ["bash", "ls"], ["bash"], ["bash", "-c", ""], ["bash", "-c", " \n"], ["ksh", "-lc", "ls"]])  # fmt: skip
def test_other_ways_to_call_a_shell_are_not_known_to_be_safe(argv: list[str]) -> None:
    assert not known_safe(argv)


@pytest.mark.parametrize("line", FORCED)
def test_forced_removal_is_found(line: str) -> None:
    assert dangerous(["bash", "-lc", line]) == "forced_rm"


@pytest.mark.parametrize("line", NOT_FORCED)
def test_nothing_else_is_forced_removal(line: str) -> None:
    line = line.replace("\\n", "\n")
    assert dangerous(["bash", "-lc", line]) is None
    if "\n" not in line and "(" not in line:
        assert dangerous(shlex.split(line)) is None


@pytest.mark.parametrize(("script", "commands"), SPLIT)
def test_plain_scripts_are_split(script: str, commands: list[list[str]]) -> None:
    assert split_script(script) == commands


@pytest.mark.parametrize("script", NOT_SPLIT)
def test_other_scripts_are_not_split(script: str) -> None:
    assert split_script(script) is None


@pytest.mark.parametrize(("program", "kind"), [("/usr/bin/zsh", "zsh"), ("sh.exe", "sh"), ("PowerShell.EXE", "powershell"), ("C:\\x\\cmd.exe", "cmd"),
                                               ("dash", None), ("fish", None), ("bash5", None), ("", None), ("python3", None)])  # fmt: skip
def test_shells_are_told_by_their_names(program: str, kind: str | None) -> None:
    assert shell_type(program) == kind
