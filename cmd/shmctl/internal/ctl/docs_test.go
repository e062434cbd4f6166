package ctl

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// documents are what the commands print with --json.
var documents = map[string]any{
	"ls": listing{}, "inspect": inspection{}, "check": verdicts{}, "clean": cleaning{}, "rm": removal{}, "doctor": diagnosis{},
}

// jsonNames adds the names of x's fields, and of theirs, to names. Participants
// have their names in the table of inspect only.
func jsonNames(x reflect.Type, command string, names map[string]bool) {
	switch {
	case x.Kind() == reflect.Slice:
		jsonNames(x.Elem(), command, names)
	case x.Kind() != reflect.Struct || x.PkgPath() != reflect.TypeFor[listing]().PkgPath():
	case x == reflect.TypeFor[participant]() && command != "inspect":
	default:
		for field := range x.Fields() {
			if !field.IsExported() {
				continue
			}
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			names[name] = true
			jsonNames(field.Type, command, names)
		}
	}
}

// The tables of docs/shmctl.md have the names that the program prints: all of
// them, and no other in the column of the names.
func TestDocumentedJSON(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/shmctl.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## JSON\n")
	code := regexp.MustCompile("`([^`]+)`")
	for command, document := range documents {
		_, table, found := strings.Cut(section, "\n**"+command+"**\n")
		table, _, _ = strings.Cut(table, "\n**")
		if !found {
			t.Errorf("no table of %s", command)
			continue
		}
		documented := map[string]bool{}
		for _, m := range code.FindAllStringSubmatch(table, -1) {
			documented[strings.TrimSuffix(strings.TrimPrefix(m[1], "."), "[]")] = true
		}
		names := map[string]bool{}
		jsonNames(reflect.TypeOf(document), command, names)
		for name := range names {
			if name == "" || !documented[name] {
				t.Errorf("%s: the field %q is not documented", command, name)
			}
		}
		for line := range strings.Lines(table) {
			if !strings.HasPrefix(line, "| `") {
				continue
			}
			first, _, _ := strings.Cut(line[2:], " |")
			for _, m := range code.FindAllStringSubmatch(first, -1) {
				if name := strings.TrimSuffix(strings.TrimPrefix(m[1], "."), "[]"); !names[name] {
					t.Errorf("%s: there is no field %q", command, name)
				}
			}
		}
	}
}
