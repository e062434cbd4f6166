package main

import (
	"errors"
	"fmt"
	"go/build/constraint"
	"io/fs"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// build is one go test: the proofs of one build of the code, or some of them.
type build struct {
	tags     string // with shmcheck there is a hook at every shared atomic; else it is as shipped
	under    string // the folder that its packages are in
	first    []string
	atOnce   string // how many packages, if not as many as there are processors
	run, not string // which tests, by what their names begin with
}

// Proofs that both builds could run: each is run in the build in which it shows
// more. Histories are disturbed at single steps with the hook; litmus tests and
// scribbling want the code as it is shipped.
const (
	every   = "^TestProof"
	hooked  = "^TestProofLinear"
	shipped = "^TestProof(Litmus|Scribbler|Truncated)"
	litmus  = "^TestProofLitmus"
)

// builds returns what is run: the builds of one list at once, so that there is work
// for every processor to the end, and one list after the other. Litmus tests come
// last, since they want the processors for themselves; models, of which several are
// searched at once, come after single steps, which are taken one at a time.
func builds() [][]build {
	return [][]build{
		{
			{tags: "shmcheck", under: ".", first: longest(), run: every, not: shipped},
			{under: "internal/proof", first: []string{"internal/proof/singlestep"}, atOnce: "1", run: every, not: hooked + "|" + litmus},
		},
		{
			{under: "internal/proof", run: litmus, not: "^$"},
		},
	}
}

// longest returns the packages whose proofs take longest: begun last, one of them
// would go on alone.
func longest() []string {
	return []string{"internal/proof/killsweep", "internal/ring", "internal/proof/linear", "internal/permit", "internal/duplex", "internal/robust"}
}

// args returns the arguments of the command go in the checkout root.
func (b build) args(root fs.FS) ([]string, error) {
	packages, err := b.packages(root)
	if err != nil {
		return nil, err
	}
	args := []string{"test", "-count=1", "-v", "-vet=off", "-timeout", "30m", "-run", b.run, "-skip", b.not, "-tags", b.tags}
	if b.atOnce != "" {
		args = append(args, "-p", b.atOnce)
	}
	return append(args, packages...), nil
}

// packages returns the packages that have tests of the build, those that take
// longest first: to link the tests of all others would take a minute.
func (b build) packages(root fs.FS) ([]string, error) {
	var list []string
	err := fs.WalkDir(root, b.under, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") || slices.Contains(list, path.Dir(name)) {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		tests, err := b.tests(string(text))
		if len(tests) > 0 {
			list = append(list, path.Dir(name))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range slices.Backward(b.first) {
		at := slices.Index(list, p)
		if at < 0 {
			err = errors.Join(err, fmt.Errorf("%s, which was to be first, has no proofs", p))
			continue
		}
		list = slices.Insert(slices.Delete(list, at, at+1), 0, p)
	}
	for i := range list {
		list[i] = "./" + list[i]
	}
	return list, err
}

var (
	condition = regexp.MustCompile(`(?m)^//go:build .*$`)
	function  = regexp.MustCompile(`(?m)^func (TestProof\w*)\(`)
)

// tests returns the names of the tests in the text of a file that the build runs.
func (b build) tests(text string) ([]string, error) {
	if line := condition.FindString(text); line != "" {
		expr, err := constraint.Parse(line)
		if err != nil {
			return nil, err
		}
		if !expr.Eval(func(tag string) bool { return tag == b.tags || tag == runtime.GOOS || tag == runtime.GOARCH }) {
			return nil, nil
		}
	}
	run, not := regexp.MustCompile(b.run), regexp.MustCompile(b.not)
	var names []string
	for _, m := range function.FindAllStringSubmatch(text, -1) {
		if run.MatchString(m[1]) && !not.MatchString(m[1]) {
			names = append(names, m[1])
		}
	}
	return names, nil
}
