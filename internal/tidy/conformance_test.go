package tidy

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// conformanceDoc says, row by row, what users of multiprocessing can rely on:
// "| QUE-01 | what holds | `queue` | `TestName/QUE-01`, `TestOther` |". An id
// stands in each of the named tests' files, as the name of a subtest or in a comment.
const conformanceDoc = "docs/from-python.md"

// conformanceID is the id of a row. Tests bear it.
var conformanceID = regexp.MustCompile(`\b[A-Z]{3}-\d{2}\b`)

// conformanceRow is a row of the table.
type conformanceRow struct {
	where, id, dir string
	tests          []string
}

// untested finds rows of the table without a test, and tests named there that do
// not exist or do not bear the id of the row.
func untested(t *tree) ([]string, error) {
	if !t.has(conformanceDoc) {
		return nil, nil
	}
	text, err := t.read(conformanceDoc)
	if err != nil {
		return nil, err
	}
	tests, err := t.testFiles()
	if err != nil {
		return nil, err
	}
	var faults []string
	seen := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "| ") || conformanceID.FindString(cells[0]) != cells[0] || cells[0] == "" {
			continue
		}
		row := conformanceRow{where: fmt.Sprintf("%s:%d", conformanceDoc, i+1), id: cells[0]}
		if len(cells) != 4 {
			faults = append(faults, fmt.Sprintf("%s: %s has %d cells, not 4", row.where, row.id, len(cells)))
			continue
		}
		if seen[row.id] {
			faults = append(faults, fmt.Sprintf("%s: a second row of %s", row.where, row.id))
		}
		seen[row.id] = true
		row.dir = strings.Trim(cells[2], "`")
		for name := range strings.SplitSeq(cells[3], ", ") {
			row.tests = append(row.tests, strings.Trim(name, "`"))
		}
		faults = append(faults, row.faults(tests)...)
	}
	return faults, nil
}

// testFiles returns the texts of all test files.
func (t *tree) testFiles() (map[string]string, error) {
	texts := map[string]string{}
	for _, name := range t.match(isTest) {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		texts[name] = text
	}
	return texts, nil
}

// faults returns what is wrong with the tests that a row names.
func (r conformanceRow) faults(files map[string]string) []string {
	var faults []string
	for _, test := range r.tests {
		function, sub, _ := strings.Cut(test, "/")
		text := ""
		for name, all := range files {
			if path.Dir(name) == r.dir && strings.Contains(all, "\nfunc "+function+"(t *testing.T)") {
				text = all
			}
		}
		switch {
		case !strings.HasPrefix(function, "Test") || text == "":
			faults = append(faults, fmt.Sprintf("%s: %s has no %q", r.where, r.dir, function))
		case sub != "" && !strings.Contains(text, fmt.Sprintf("%q", sub)):
			faults = append(faults, fmt.Sprintf("%s: %s has no subtest %q", r.where, function, sub))
		case !slices.Contains(conformanceID.FindAllString(text, -1), r.id):
			faults = append(faults, fmt.Sprintf("%s: the file of %s does not bear %s", r.where, function, r.id))
		}
	}
	return faults
}
