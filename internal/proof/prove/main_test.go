package main

import (
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/shoal-ipc/shoal/internal/proof"
)

// A line may be longer than any buffer, and the last one need not end.
func TestRead(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	report := proof.Line(proof.Soak, proof.Count{N: 3, Unit: "kills"})
	var sums tally
	all, err := read(&sums, strings.NewReader(long+"\n\n"+report+"\nend"))
	if want := []string{long, "", report, "end"}; err != nil || !slices.Equal(all, want) {
		t.Errorf("%d lines, %v", len(all), err)
	}
	if got := sums.lines(); !slices.Equal(got, []string{"soak: 3 kills"}) {
		t.Errorf("the sums are %q", got)
	}
}

// TestRunsOnce looks that each proof is run in one build.
func TestRunsOnce(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("some proofs are for linux/amd64 only")
	}
	root := os.DirFS("../../..")
	found := 0
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		times := map[string]int{}
		for _, together := range builds() {
			for _, b := range together {
				tests, err := b.tests(string(text))
				if err != nil {
					return err
				}
				if b.under != "." && !strings.HasPrefix(name, b.under+"/") {
					continue
				}
				for _, test := range tests {
					times[test]++
				}
			}
		}
		for _, m := range function.FindAllSubmatch(text, -1) {
			found++
			if test := string(m[1]); times[test] != 1 {
				t.Errorf("%s in %s is run %d times", test, name, times[test])
			}
		}
		return nil
	})
	if err != nil || found < 40 {
		t.Errorf("%d proofs, %v", found, err)
	}
}

// TestPackages looks at which packages a build has: those with tests that it runs, and
// first those named.
func TestPackages(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	root := fstest.MapFS{
		"a/a_test.go":      file("package a\n\nfunc TestProofOne(t *testing.T) {\n"),
		"a/b/more_test.go": file("//go:build shmcheck\n\npackage b\n\nfunc TestProofTwo(t *testing.T) {\n"),
		"c/c_test.go":      file("package c\n\nfunc TestOther(t *testing.T) {\n"),
		"d/d_test.go":      file("//go:build !shmcheck\n\npackage d\n\nfunc TestProofThree(t *testing.T) {\n"),
		"e/e_test.go":      file("package e\n\nfunc TestProofOne(t *testing.T) {\n"),
	}
	for _, c := range []struct {
		b    build
		want []string
	}{
		{build{tags: "shmcheck", under: ".", first: []string{"e", "a/b"}, run: every, not: "Three"}, []string{"./e", "./a/b", "./a"}},
		{build{under: ".", run: every, not: "One"}, []string{"./d"}},
		{build{under: "a", run: every, not: "^$"}, []string{"./a"}},
	} {
		if got, err := c.b.packages(root); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q, %v, want %q", c.b, got, err, c.want)
		}
	}
	if _, err := (build{under: ".", first: []string{"c"}, run: every, not: "^$"}).packages(root); err == nil {
		t.Error("a package without proofs comes first")
	}
	for _, together := range builds() {
		for _, b := range together {
			if list, err := b.packages(os.DirFS("../../..")); err != nil || len(list) == 0 {
				t.Errorf("%+v: %q, %v", b, list, err)
			}
		}
	}
}
