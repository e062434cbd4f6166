package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/bench/internal/report"
)

// machine is the name of the row that describes the machine.
const machine = "machine"

// output is what becomes of the figures.
type output struct {
	lines, markdown bool
	pictures, docs  string

	rows []harness.Row
	text string // of the machine
}

// begin says where is measured, and how.
func (o *output) begin(out io.Writer, text string) {
	o.text = text
	switch {
	case o.lines:
		_ = json.NewEncoder(out).Encode(harness.Row{Name: machine, Text: text}) // to the terminal
	case !o.markdown:
		fmt.Fprintf(out, "%s\n%s\n\n", report.Columns(), text)
	}
}

// add shows rows.
func (o *output) add(out io.Writer, rows []harness.Row) {
	o.rows = append(o.rows, rows...)
	switch {
	case o.lines:
		enc := json.NewEncoder(out)
		for _, r := range rows {
			_ = enc.Encode(r) // to the terminal
		}
	case !o.markdown:
		_ = report.Text(out, rows) // to the terminal
	}
}

// finish shows what needs all rows.
func (o *output) finish(out io.Writer) error {
	tables := report.Tables(o.text, o.rows)
	switch {
	case o.markdown:
		fmt.Fprint(out, report.Markdown(tables))
	case !o.lines:
		i := slices.IndexFunc(tables, func(t report.Table) bool { return t.Name == "targets" })
		fmt.Fprintln(out, tables[i].Text)
	}
	if o.docs != "" {
		for _, name := range []string{"docs/performance.md", "README.md"} {
			if err := rewrite(filepath.Join(o.docs, "..", name), tables); err != nil {
				return err
			}
		}
		if o.pictures == "" {
			o.pictures = filepath.Join(o.docs, "performance")
		}
	}
	if o.pictures == "" {
		return nil
	}
	names, err := report.Pictures(o.pictures, o.rows)
	if err == nil && !o.lines && !o.markdown {
		fmt.Fprintln(out, "drawn:", names)
	}
	return err
}

// rewrite puts the tables into their places in a document.
func rewrite(path string, tables []report.Table) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	filled, err := report.Fill(string(text), tables)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(filled), 0o644)
}
