// Bench measures Shoal beside what else there is, in one run on one machine.
//
//	go run . [-list] [-run REGEX] [-runs N] [-json]
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
	"text/tabwriter"
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
	lines := flag.Bool("json", false, "print a line of JSON for each figure")
	flag.Parse()
	match, err := regexp.Compile(*which)
	if err != nil {
		return err
	}
	sources, err := fs.Sub(rivals, "rivals")
	if err != nil {
		return err
	}
	tools, err := harness.NewTools(sources)
	if err != nil {
		return err
	}
	defer tools.Close()
	if !*list && !*lines {
		fmt.Fprintf(out, "two processes are bound to processors %d and %d, which are %s; GOMAXPROCS=2\n", tools.CPUs[0], tools.CPUs[1], tools.Usual())
	}
	plan := harness.Plan{Runs: *runs, Tries: 20, Timeout: 30 * time.Second}
	for _, c := range cases.All() {
		switch {
		case !match.MatchString(c.Name):
		case *list:
			fmt.Fprintln(out, c.Name)
		default:
			show(out, c, harness.Run(ctx, tools, c, plan), *lines)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func show(out io.Writer, c harness.Case, results []harness.Result, lines bool) {
	rows := harness.Compare(c, results)
	if lines {
		enc := json.NewEncoder(out)
		for _, r := range rows {
			_ = enc.Encode(r) // to the terminal
		}
		return
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	defer w.Flush()
	for i, r := range rows {
		name := c.Name
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, r.Impl, r.Text())
	}
}
