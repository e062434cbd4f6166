package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/shoal-ipc/shoal/bench/internal/cases"
	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// Table is a part of the documents that a run fills.
type Table struct {
	Name string // as the document marks the place
	Text string
}

// groups are the tables by case. The last takes what no other one has.
var groups = []struct {
	name  string
	match *regexp.Regexp
}{
	{"cells", regexp.MustCompile(`^(atomic|value|array|kv|map)\b`)},
	{"locks", regexp.MustCompile(`^(mutex|rwmutex|semaphore)\b`)},
	{"streams", regexp.MustCompile(`^(spsc|mpmc)\b`)},
	{"roundtrips", regexp.MustCompile(`^(roundtrip|inplace|asleep|pipe)\b`)},
	{"others", regexp.MustCompile(``)},
}

// Tables returns the tables of a run.
func Tables(machine string, rows []harness.Row) []Table {
	list := []Table{{"machine", machine}, {"targets", targets(rows)}, {"short", short(rows)}}
	for _, title := range []string{cases.LatencyOverSize, cases.ThroughputOverSize, cases.ThroughputOverProcesses, cases.LocksOverProcesses} {
		list = append(list, Table{"picture of " + title, fmt.Sprintf("![%s](%s/%s)", title, folder, file(title))})
	}
	for i, g := range groups {
		var mine []harness.Row
		for _, r := range rows {
			first := slices.IndexFunc(groups, func(o struct {
				name  string
				match *regexp.Regexp
			},
			) bool {
				return o.match.MatchString(r.Name)
			})
			if first == i {
				mine = append(mine, r)
			}
		}
		list = append(list, Table{g.name, full(mine)})
	}
	return list
}

// full returns a table of all figures.
func full(rows []harness.Row) string {
	var b strings.Builder
	b.WriteString("| case | implementation | " + strings.Join(columns, " | ") + " |\n|---|---|" + strings.Repeat("---|", len(columns)))
	name := ""
	for _, r := range rows {
		shown := label(r)
		if r.Name == name {
			shown = ""
		}
		name = r.Name
		fmt.Fprintf(&b, "\n| %s | %s | %s |", shown, r.Impl, strings.Join(cells(r), " | "))
	}
	return b.String()
}

// targets returns a table of what Shoal aims at, and a line that counts.
func targets(rows []harness.Row) string {
	var b strings.Builder
	b.WriteString("| case | Shoal | beside | its figure | ratio | target | |\n|---|---|---|---|---|---|---|")
	met, all := 0, 0
	mine := map[string]harness.Row{}
	for _, r := range rows {
		if _, ok := mine[r.Name]; !ok {
			mine[r.Name] = r
		}
		if r.Target == 0 {
			continue
		}
		all++
		if r.Met != nil && *r.Met {
			met++
		}
		c := cells(r)
		if r.Impl == shoal { // a bound of Shoal's own figure
			fmt.Fprintf(&b, "\n| %s | %s | | | | %s | %s |", label(r), c[0], c[5], c[6])
			continue
		}
		fmt.Fprintf(&b, "\n| %s | %s | %s | %s | %s | %s | %s |", label(r), cells(mine[r.Name])[0], r.Impl, c[0], c[4], c[5], c[6])
	}
	return fmt.Sprintf("%s\n\n%d of %d targets are met. %s", b.String(), met, all, allocating(rows))
}

// allocating says where Shoal allocates.
func allocating(rows []harness.Row) string {
	var list []string
	counted := 0
	for _, r := range rows {
		if !strings.HasPrefix(r.Impl, shoal) || r.Allocs == nil {
			continue
		}
		counted++
		if *r.Allocs > 0 {
			list = append(list, fmt.Sprintf("%s (%s)", r.Name, number(*r.Allocs)))
		}
	}
	if len(list) == 0 {
		return fmt.Sprintf("Shoal allocates nothing in any of the %d figures in which it is counted.", counted)
	}
	return "Shoal allocates in " + strings.Join(list, ", ") + "."
}

// summary are the cases of the short form, with the rivals that it names.
var summary = []struct{ name, what, rivals string }{
	{"roundtrip/64B", "a message there and back", "^(c ring|iceoryx|pipe|unix|python pipe)$"},
	{"spsc/64B", "messages one way, each by itself", "^(c ring|boost lockfree|iceoryx|pipe|unix|python queue|shmipc-go)$"},
	{"mutex/alone", "lock and unlock", "^(c robust|c futex|sync.Mutex)$"},
	{"mutex/8", "8 processes and one mutex", "^(c robust|c futex)$"},
	{"death", "from kill -9 of a holder to the next", "^c robust$"},
}

// short returns the table of the README.
func short(rows []harness.Row) string {
	var b strings.Builder
	b.WriteString("| | Shoal | others |\n|---|---|---|")
	for _, s := range summary {
		mine, others := "", []string(nil)
		match := regexp.MustCompile(s.rivals)
		for _, r := range rows {
			switch {
			case r.Name != s.name || r.Runs == 0:
			case r.Impl == shoal:
				mine = figure(r.Value, r.Unit)
			case match.MatchString(r.Impl):
				others = append(others, r.Impl+" "+figure(r.Value, r.Unit))
			}
		}
		if mine != "" {
			fmt.Fprintf(&b, "\n| %s | %s | %s |", s.what, mine, strings.Join(others, ", "))
		}
	}
	return b.String()
}

// Markdown returns all tables, one after the other.
func Markdown(tables []Table) string {
	var b strings.Builder
	for _, t := range tables {
		fmt.Fprintf(&b, "%s\n\n%s\n\n%s\n\n", opening(t.Name), t.Text, closing)
	}
	return b.String()
}

func opening(name string) string { return "<!-- bench: " + name + " -->" }

const closing = "<!-- end -->"

// Fill returns the document with the tables in their places, which two comments
// mark each. A document has no place for some tables; a place without a table is
// an error.
func Fill(document string, tables []Table) (string, error) {
	var b strings.Builder
	for {
		at := strings.Index(document, "<!-- bench: ")
		if at < 0 {
			return b.String() + document, nil
		}
		b.WriteString(document[:at])
		document = document[at:]
		mark, _, _ := strings.Cut(document, "\n")
		i := slices.IndexFunc(tables, func(t Table) bool { return opening(t.Name) == mark })
		end := strings.Index(document, closing)
		if i < 0 || end < 0 {
			return "", fmt.Errorf("no table, or no end, for the place %s", mark)
		}
		b.WriteString(mark + "\n\n" + tables[i].Text + "\n\n" + closing)
		document = document[end+len(closing):]
	}
}
