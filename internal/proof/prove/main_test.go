package main

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

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

var (
	testPattern = regexp.MustCompile(`(?m)^func (TestProof\w+)\(`)
	tagPattern  = regexp.MustCompile(`(?m)^//go:build .*shmcheck`)
)

// TestRunsOnce looks that each proof that both builds could run is run in one.
func TestRunsOnce(t *testing.T) {
	builds := runs()
	found := 0
	root := os.DirFS("..")
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err != nil || tagPattern.Match(text) {
			return err
		}
		for _, m := range testPattern.FindAllSubmatch(text, -1) {
			found++
			times := 0
			for _, args := range builds {
				skip := regexp.MustCompile(args[slices.Index(args, "-skip")+1])
				if !skip.Match(m[1]) {
					times++
				}
			}
			if times != 1 {
				t.Errorf("%s of %s is run %d times", m[1], name, times)
			}
		}
		return nil
	})
	if err != nil || found < 5 {
		t.Errorf("%d proofs, %v", found, err)
	}
}
