//go:build linux

package litmus

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var labelPattern = regexp.MustCompile(`pairs with: ([\w.]+\w)`)

// labelsOf returns the labels in the code below root, and a file of each.
func labelsOf(root fs.FS) (map[string]string, error) {
	labels := map[string]string{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(root, name)
		for _, m := range labelPattern.FindAllSubmatch(text, -1) {
			labels[string(m[1])] = name
		}
		return err
	})
	return labels, err
}

// uncovered returns the labels that no shape names, and those that shapes name
// and the code does not have.
func uncovered(labels map[string]string, list []shape) (missing, stale []string) {
	named := map[string]bool{}
	for _, s := range list {
		for _, l := range s.labels {
			named[l] = true
			if _, ok := labels[l]; !ok {
				stale = append(stale, l)
			}
		}
	}
	for l := range labels {
		if !named[l] {
			missing = append(missing, l)
		}
	}
	slices.Sort(missing)
	return missing, stale
}

// TestProofLitmusCovers asks a shape for every store that publishes.
func TestProofLitmusCovers(t *testing.T) {
	root := "../../.."
	if _, err := os.Stat(root + "/go.mod"); err != nil {
		t.Skip("the code is not here")
	}
	labels, err := labelsOf(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(labels) < 20 {
		t.Fatalf("only %d labels were found", len(labels))
	}
	missing, stale := uncovered(labels, shapes())
	for _, l := range missing {
		t.Errorf("%s: no litmus test has the label %q: add it to the shape of its store", labels[l], l)
	}
	for _, l := range stale {
		t.Errorf("a litmus test has the label %q, and no code", l)
	}
}

// TestProofLitmusCoversCatches has labels that do not fit the shapes.
func TestProofLitmusCoversCatches(t *testing.T) {
	missing, stale := uncovered(map[string]string{"a.b": "a.go", "c.d": "c.go"}, []shape{{labels: []string{"c.d", "e.f"}}})
	if !slices.Equal(missing, []string{"a.b"}) || !slices.Equal(stale, []string{"e.f"}) {
		t.Errorf("missing %q, stale %q", missing, stale)
	}
}
