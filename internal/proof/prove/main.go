// Prove runs all proofs in full, in the checkout that is the current folder, and
// prints one line for each kind with what it tried. It fails if a proof fails, or
// if a kind reports nothing.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/shoal-ipc/shoal/internal/proof"
)

func main() {
	if err := prove(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "prove:", err)
		os.Exit(1)
	}
}

func prove(out io.Writer) error {
	sums := &tally{}
	var failed error
	for _, together := range builds() {
		failed = errors.Join(failed, runAll(sums, together))
	}
	for _, line := range sums.lines() {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	return sums.complete(proof.Kinds())
}

// runAll runs builds at once, and returns when all have ended.
func runAll(sums *tally, list []build) error {
	faults := make([]error, len(list))
	var group sync.WaitGroup
	for i, b := range list {
		group.Go(func() { faults[i] = run(sums, b) })
	}
	group.Wait()
	return errors.Join(faults...)
}

// run runs one go test. Its output is kept back unless it fails.
func run(sums *tally, b build) error {
	args, err := b.args(os.DirFS("."))
	if err != nil {
		return err
	}
	cmd := exec.Command("go", args...)
	// Children begin sooner without the C library, and there are tens of thousands.
	cmd.Env = append(os.Environ(), proof.Variable+"=full", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	all, unread := read(sums, stdout)
	if err := errors.Join(cmd.Wait(), unread); err != nil {
		fmt.Fprintln(os.Stderr, strings.Join(all, "\n"))
		return fmt.Errorf("go %v: %w", args, err)
	}
	return nil
}

// read returns the lines of r, and adds up what they report. It reads to the end,
// however long they are: whoever writes them would else wait for ever.
func read(sums *tally, r io.Reader) (all []string, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		if line != "" || err == nil {
			all = append(all, line)
			sums.add(line)
		}
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}
