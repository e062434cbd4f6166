package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/bench/internal/cases"
	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// The ratios that a quiet machine has shown; -gate -record writes them anew.
//
//go:embed gate.json
var recorded []byte

// errWorse says that the gate is shut.
var errWorse = errors.New("a ratio is more than twice as bad as the recorded one")

// pass compares ratios with the recorded ones.
func pass(ctx context.Context, out io.Writer, tools *harness.Tools, record bool) error {
	var list []harness.Recorded
	if err := json.Unmarshal(recorded, &list); err != nil {
		return fmt.Errorf("gate.json: %w", err)
	}
	plan := harness.Plan{Runs: 3, Within: 60 * time.Second, Timeout: 10 * time.Second}
	verdicts, err := harness.Gate(ctx, tools, cases.All(), list, plan)
	if err != nil {
		return err
	}
	shut, judged := false, 0
	for i, v := range verdicts {
		fmt.Fprintln(out, v)
		shut = shut || len(v.Seen) > 0 && !v.Passed
		if len(v.Seen) > 0 {
			judged++
			list[i].Ratio = slices.Sorted(slices.Values(v.Seen))[len(v.Seen)/2]
		}
	}
	fmt.Fprintf(out, "%d of %d ratios were judged\n", judged, len(list))
	switch {
	case record:
		text, err := json.MarshalIndent(list, "", "\t")
		if err != nil {
			return err
		}
		return os.WriteFile("gate.json", append(text, '\n'), 0o644)
	case shut:
		return errWorse
	case judged == 0:
		return errors.New("no ratio could be measured")
	}
	return nil
}
