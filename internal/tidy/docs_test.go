package tidy

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// fence is a block of code in a Markdown file.
type fence struct {
	where string
	lines []string
}

// fences returns the fenced blocks of the Markdown files that ok accepts and
// whose language is lang.
func (t *tree) fences(lang string, ok func(name string) bool) ([]fence, error) {
	var all []fence
	for _, name := range t.match(func(n string) bool { return isMarkdown(n) && ok(n) }) {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		var open *fence
		inside := false
		for i, line := range strings.Split(text, "\n") {
			switch {
			case inside && line == "```":
				if open != nil {
					all = append(all, *open)
				}
				open, inside = nil, false
			case inside && open != nil:
				open.lines = append(open.lines, line)
			case !inside && strings.HasPrefix(line, "```"):
				inside = true
				if line == "```"+lang {
					open = &fence{where: fmt.Sprintf("%s:%d", name, i+1)}
				}
			}
		}
	}
	return all, nil
}

func anyFile(string) bool { return true }

// strangeSnippets finds Go code in the documents that no example contains line
// by line. The compiler and the tests vouch for the examples.
func strangeSnippets(t *tree) ([]string, error) {
	snippets, err := t.fences("go", anyFile)
	if err != nil {
		return nil, err
	}
	var examples [][]string
	for _, name := range t.match(isExample) {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		examples = append(examples, strings.Split(text, "\n"))
	}
	var faults []string
	for _, s := range snippets {
		if !slices.ContainsFunc(examples, func(e []string) bool { return contains(e, s.lines) }) {
			faults = append(faults, s.where+": no example has this code")
		}
	}
	return faults, nil
}

func isExample(name string) bool {
	return isGo(name) && (strings.HasPrefix(name, "examples/") || strings.HasSuffix(name, "example_test.go"))
}

// contains reports whether part stands in whole, possibly indented.
func contains(whole, part []string) bool {
	for i := range len(whole) - len(part) + 1 {
		if slices.Equal(dedent(whole[i:i+len(part)]), dedent(part)) {
			return true
		}
	}
	return false
}

// dedent removes the tabs that all lines begin with, blank ones aside.
func dedent(lines []string) []string {
	depth := -1
	for _, l := range lines {
		if n := len(l) - len(strings.TrimLeft(l, "\t")); l != "" && (depth < 0 || n < depth) {
			depth = n
		}
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		if l != "" {
			out[i] = l[depth:]
		}
	}
	return out
}

// missingNames finds names like queue.Put or lock.Mutex.Do in the documents
// that the packages at the top of the module do not export.
func missingNames(t *tree) ([]string, error) {
	known, err := t.exported()
	if err != nil {
		return nil, err
	}
	span := regexp.MustCompile("`[^`\n]+`")
	name := regexp.MustCompile(`(?:^|[^\w./-])([a-z]+)\.([A-Z]\w*)(?:\.([A-Z]\w*))?`)
	var faults []string
	for _, file := range t.match(isMarkdown) {
		text, err := t.read(file)
		if err != nil {
			return nil, err
		}
		for _, code := range span.FindAllString(text, -1) {
			for _, m := range name.FindAllStringSubmatch(code, -1) {
				names, ours := known[m[1]]
				if want := strings.TrimSuffix(m[2]+"."+m[3], "."); (ours || isPackage(m[1])) && !names[want] {
					faults = append(faults, fmt.Sprintf("%s: there is no %s.%s", file, m[1], want))
				}
			}
		}
	}
	return faults, nil
}

// isPackage reports whether name is, or is going to be, a package of this module.
func isPackage(name string) bool {
	return slices.Contains([]string{"shm", "value", "array", "lock", "semaphore", "queue", "process", "pool", "pipe", "shmtest"}, name)
}

// exported returns, by package, the names that it exports: "Put", and
// "Queue.Put" for methods and fields.
func (t *tree) exported() (map[string]map[string]bool, error) {
	files, err := t.parse(func(n string) bool { return isCode(n) && isPackage(path.Base(path.Dir(n))) })
	if err != nil {
		return nil, err
	}
	known := map[string]map[string]bool{}
	for _, f := range files {
		names := known[f.file.Name.Name]
		if names == nil {
			names = map[string]bool{}
			known[f.file.Name.Name] = names
		}
		for _, d := range f.file.Decls {
			exportedBy(d, names)
		}
	}
	return known, nil
}

func exportedBy(d ast.Decl, names map[string]bool) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		names[name] = true // queue.Put may stand for the method of a queue
		if d.Recv != nil {
			names[receiver(d)+"."+name] = true
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names[n.Name] = true
				}
			case *ast.TypeSpec:
				names[s.Name.Name] = true
				if st, ok := s.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						for _, n := range f.Names {
							names[s.Name.Name+"."+n.Name] = true
						}
					}
				}
			}
		}
	}
}

// texts accepts the files that people write.
func texts(name string) bool {
	return slices.Contains([]string{".go", ".md", ".yml", ".mod", ".s", ".sh", ".txt"}, path.Ext(name)) ||
		name == "Makefile" || name == ".ci/run"
}

// missingFiles finds documents that a file names and the tree does not have, and
// absolute paths of somebody's machine.
func missingFiles(t *tree) ([]string, error) {
	documents := regexp.MustCompile(`[\w.~/-]*[\w-]\.md\b`)
	links := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	fenced := regexp.MustCompile("(?ms)^```.*?^```$")
	decisions := regexp.MustCompile(`docs/decisions/\d{4}`)
	machines := regexp.MustCompile(`(?:^|[^\w.])/(?:work|root|home)/`)
	var faults []string
	for _, name := range t.match(texts) {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		named := documents.FindAllString(text, -1)
		if isMarkdown(name) {
			for _, m := range links.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
				named = append(named, m[1])
			}
		}
		for _, file := range named {
			if !t.has(path.Clean(file)) && !t.has(path.Join(path.Dir(name), file)) && !isTest(name) {
				faults = append(faults, fmt.Sprintf("%s: there is no %s", name, file))
			}
		}
		for _, prefix := range decisions.FindAllString(text, -1) {
			if !slices.ContainsFunc(t.files, func(f string) bool { return strings.HasPrefix(f, prefix) }) {
				faults = append(faults, fmt.Sprintf("%s: there is no %s", name, prefix))
			}
		}
		for _, m := range machines.FindAllString(text, -1) {
			faults = append(faults, fmt.Sprintf("%s: %q is a place on one machine", name, m))
		}
	}
	return faults, nil
}

// foreignWords finds words about how the text came to be, which are of no use
// to whoever reads it. (Each is written so that it does not find itself.)
func foreignWords(t *tree) ([]string, error) {
	words := regexp.MustCompile(`\bA[I]\b|\bL[L]Ms?\b|[Ll]anguage mode[l]|[Cc]o-[Aa]uthored-[Bb]y|[Cc]hatbo[t]|[Cc]laud[e]\b|[Aa]nthropi[c]|\bT[O]DO\b|\bFIX[M]E\b|\bXX[X]\b`)
	var faults []string
	for _, name := range t.match(texts) {
		text, err := t.read(name)
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(text, "\n") {
			if w := words.FindString(line); w != "" {
				faults = append(faults, fmt.Sprintf("%s:%d: %q does not belong here", name, i+1, w))
			}
		}
	}
	return faults, nil
}

// unsaidCommands finds commands that the README tells people to run and that CI
// does not run, or the other way round for the two that everybody begins with.
func unsaidCommands(t *tree) ([]string, error) {
	blocks, err := t.fences("sh", func(n string) bool { return n == "README.md" })
	if err != nil {
		return nil, err
	}
	ci, err := t.read(".ci/run")
	if err != nil {
		return nil, err
	}
	said := map[string]bool{}
	var faults []string
	for _, b := range blocks {
		for _, line := range b.lines {
			command, _, _ := strings.Cut(line, " #")
			command = strings.TrimSpace(command)
			said[command] = true
			if (strings.HasPrefix(command, "go run ./") || strings.HasPrefix(command, "go test")) && !strings.Contains(ci, command+"; }") {
				faults = append(faults, fmt.Sprintf("%s: CI does not run %q", b.where, command))
			}
		}
	}
	for _, command := range []string{"go run ./examples/value_array_queue", "go test ./..."} {
		if !said[command] {
			faults = append(faults, fmt.Sprintf("README.md: does not say %q", command))
		}
	}
	return faults, nil
}
