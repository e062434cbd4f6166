package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A store that publishes, and a load that relies on it, have comments that name
// each other: "commit; pairs with: label (functions that load)" and "pairs with:
// label (functions that store)".
var pairPattern = regexp.MustCompile(`(commit; )?pairs with: ([\w.]+)(?: \(([^)]*)\))?`)

// pairing is one such comment.
type pairing struct {
	where  string
	commit bool
}

// unpaired finds labels that stand at no store, or at no load, and names of
// functions that their package does not have.
func unpaired(t *tree) ([]string, error) {
	files, err := t.parse(isCode)
	if err != nil {
		return nil, err
	}
	functions := map[string]bool{} // directory and name
	for _, f := range files {
		for _, d := range f.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				functions[path.Join(path.Dir(f.name), fn.Name.Name)] = true
			}
		}
	}
	labels := map[string][]pairing{}
	var faults []string
	for _, f := range files {
		for _, group := range f.file.Comments {
			for _, c := range group.List {
				for _, m := range pairPattern.FindAllStringSubmatch(c.Text, -1) {
					label := strings.TrimRight(m[2], ".")
					labels[label] = append(labels[label], pairing{f.at(c.Pos(), ""), m[1] != ""})
					if m[3] == "" {
						faults = append(faults, f.at(c.Pos(), "%q names no function", label))
						continue
					}
					for name := range strings.SplitSeq(m[3], ", ") {
						if !functions[path.Join(path.Dir(f.name), name)] {
							faults = append(faults, f.at(c.Pos(), "there is no function %q here", name))
						}
					}
				}
			}
		}
	}
	for label, at := range labels {
		commits := 0
		for _, p := range at {
			if p.commit {
				commits++
			}
		}
		switch commits {
		case 0:
			faults = append(faults, fmt.Sprintf("%sno store commits %q", at[0].where, label))
		case len(at):
			faults = append(faults, fmt.Sprintf("%sno load pairs with %q", at[0].where, label))
		}
	}
	slices.Sort(faults)
	return faults, nil
}
