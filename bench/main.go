// Bench measures Shoal beside what else there is, in one run on one machine.
//
//	go run . [-list] [-run REGEX] [-runs N] [-within TIME] [-try] [-json | -markdown] [-svg DIR] [-docs DIR] [-from FILE]
//	go run . -gate [-record]
package main

import (
	"context"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/cases"
	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/bench/internal/measure"
	"github.com/shoal-ipc/shoal/process"
)

//go:embed rivals
var rivals embed.FS

func main() {
	process.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 2 && os.Args[1] == "-measure" {
		exit(measure.Main(ctx, os.Args[2:]))
	}
	exit(run(ctx, os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, out io.Writer) error {
	list := flag.Bool("list", false, "name the cases")
	which := flag.String("run", "", "run the cases that match this `regex`")
	runs := flag.Int("runs", 5, "repetitions of each implementation")
	within := flag.Duration("within", 17*time.Minute, "make fewer repetitions (but three) where they would take longer than this in all")
	try := flag.Bool("try", false, "run each program once, whatever else the machine does; the figures mean nothing")
	form := output{}
	flag.BoolVar(&form.lines, "json", false, "print a line of JSON for each figure, and nothing else")
	flag.BoolVar(&form.markdown, "markdown", false, "print the tables for the documents, and nothing else")
	flag.StringVar(&form.pictures, "svg", "", "draw the pictures into this `folder`")
	flag.StringVar(&form.docs, "docs", "", "write tables and pictures into the documents of this `folder`")
	from := flag.String("from", "", "do not measure, but read the lines that -json printed to this `file`")
	gate := flag.Bool("gate", false, "compare some ratios with the recorded ones, and fail if one is much worse")
	record := flag.Bool("record", false, "with -gate: record the ratios")
	flag.Parse()
	match, err := regexp.Compile(*which)
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(cases.All(), func(c harness.Case) bool { return !match.MatchString(c.Name) })
	if *list {
		for _, c := range all {
			fmt.Fprintln(out, c.Name)
		}
		return nil
	}
	if *from != "" {
		rows, err := read(*from)
		if err != nil {
			return err
		}
		if len(rows) > 0 && rows[0].Name == machine {
			form.begin(out, rows[0].Text)
			rows = rows[1:]
		}
		form.add(out, rows)
		return form.finish(out)
	}
	sources, err := fs.Sub(rivals, "rivals")
	if err != nil {
		return err
	}
	tools, err := harness.NewTools(ctx, sources)
	if err != nil {
		return err
	}
	defer tools.Close()
	if *gate {
		return pass(ctx, out, tools, *record)
	}
	form.begin(out, tools.Machine())
	plan := harness.Plan{Runs: *runs, Within: *within, Timeout: 20 * time.Second}
	if tools.Anyhow = *try; *try {
		plan.Runs = 1
	}
	err = harness.Run(ctx, tools, all, plan, func(_ harness.Case, rows []harness.Row) { form.add(out, rows) })
	if err != nil {
		return err
	}
	return form.finish(out)
}

// read returns the rows of a file of lines of JSON.
func read(path string) ([]harness.Row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var rows []harness.Row
	for dec := json.NewDecoder(f); ; {
		var r harness.Row
		err := dec.Decode(&r)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		rows = append(rows, r)
	}
}
