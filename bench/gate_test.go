package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/shoal-ipc/shoal/bench/internal/cases"
	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// TestRecorded looks whether each recorded ratio is one of a case and its rival.
func TestRecorded(t *testing.T) {
	var list []harness.Recorded
	if err := json.Unmarshal(recorded, &list); err != nil || len(list) == 0 {
		t.Fatalf("got %v, %v", list, err)
	}
	for _, r := range list {
		if r.Ratio <= 0 || !slices.ContainsFunc(cases.All(), func(c harness.Case) bool { return c.Name == r.Case && has(c, r.Rival) }) {
			t.Errorf("no case %q with a rival %q, or no ratio: %v", r.Case, r.Rival, r.Ratio)
		}
	}
}

// TestTargets looks whether each target names a rival of its case.
func TestTargets(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range cases.All() {
		if seen[c.Name] {
			t.Errorf("there are two cases %s", c.Name)
		}
		seen[c.Name] = true
		for _, target := range c.Targets {
			if !has(c, target.Rival) {
				t.Errorf("%s has a target beside %s, who does not take part", c.Name, target.Rival)
			}
		}
	}
}

func has(c harness.Case, rival string) bool {
	return slices.ContainsFunc(c.Impls[1:], func(i harness.Impl) bool { return i.Name == rival })
}
