// A user's server for tests in a cluster, as small as one can be. Each number that it is asked about is answered by that number, plus
// the sum of the model's bytes modulo 1000, plus OFFSET. MODE says how it misbehaves:
//
//	crashes        says so, and ends with status 42
//	never-ready    is up, but not ready
//	wrong          answers one more than it should
//	slow           answers, and becomes ready, DELAY_MS later (default 1000)
//	other-release  says that it is another release
package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

type tensor struct {
	Name     string    `json:"name"`
	Datatype string    `json:"datatype"`
	Shape    []int     `json:"shape"`
	Data     []float64 `json:"data"`
}

type object map[string]any

var mode = os.Getenv("MODE")

func main() {
	// The first process of a container gets no signal that it does not ask for. Nothing in hand is answered any more.
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		log.Printf("ends at once: %v", <-ended)
		os.Exit(0)
	}()
	if len(os.Args) == 2 && os.Args[1] == "pause" {
		select {}
	}
	path := flag.String("model", os.Getenv("MODEL"), "file of the model, or a folder with it")
	port := flag.String("port", text("PORT", "8080"), "on every address")
	flag.Parse()
	if mode == "crashes" {
		fmt.Fprintln(os.Stderr, "model file is corrupt: magic 0xdead")
		os.Exit(42)
	}
	model, err := read(*path)
	if err != nil {
		fmt.Fprintf(os.Stderr, "no model at %q: %v\n", *path, err)
		os.Exit(1)
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(model))
	release := os.Getenv("TRAINYARD_RELEASE")
	if mode == "other-release" {
		release = "sha256:" + strings.Repeat("0", 64)
	}
	log.Printf("serves %s of release %s", digest, release)
	pod, _ := os.Hostname()
	server := &server{weight(model) + number("OFFSET", 0), time.Now()}
	handler := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("content-type", "application/json")
		w.Header().Set("x-trainyard-release", release)
		w.Header().Set("x-model-digest", digest)
		w.Header().Set("x-pod", pod)
		status, body := server.answer(r)
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(body)
	}
	log.Fatal(http.ListenAndServe(":"+*port, http.HandlerFunc(handler)))
}

type server struct {
	weight  float64
	started time.Time
}

func (s *server) answer(r *http.Request) (int, object) {
	delay := time.Duration(number("DELAY_MS", 1000)) * time.Millisecond
	name := strings.TrimPrefix(r.URL.Path, "/v2/models/")
	switch {
	case r.URL.Path == "/v2/health/live":
		return 200, object{"live": true}
	case r.URL.Path == "/v2/health/ready":
		if mode == "never-ready" || mode == "slow" && time.Since(s.started) < delay {
			return 503, object{"error": "the model is not loaded"}
		}
		return 200, object{"ready": true}
	case r.Method == "POST" && strings.HasSuffix(name, "/infer"):
		if mode == "slow" {
			time.Sleep(delay)
		}
		return s.infer(strings.TrimSuffix(name, "/infer"), r)
	case r.URL.Path == "/env":
		return 200, object{"env": os.Environ()}
	}
	return 404, object{"error": "no " + r.Method + " " + r.URL.Path + " here"}
}

func (s *server) infer(name string, r *http.Request) (int, object) {
	var request struct{ Inputs []tensor }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || len(request.Inputs) != 1 {
		return 400, object{"error": fmt.Sprintf("the body must have one of inputs: %v", err)}
	}
	output := tensor{"score", "FP64", request.Inputs[0].Shape, []float64{}}
	for _, value := range request.Inputs[0].Data {
		if mode == "wrong" {
			value++
		}
		output.Data = append(output.Data, value+s.weight)
	}
	return 200, object{"model_name": name, "outputs": []tensor{output}}
}

// The bytes of a file, or of all files in a folder by their paths.
func read(path string) ([]byte, error) {
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	bytes := []byte{}
	files := 0
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		bytes = append(bytes, content...)
		files++
		return err
	})
	if err == nil && files == 0 {
		err = errors.New("no file in it")
	}
	return bytes, err
}

func weight(model []byte) float64 {
	sum := 0
	for _, value := range model {
		sum += int(value)
	}
	return float64(sum % 1000)
}

func text(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func number(name string, otherwise float64) float64 {
	value, err := strconv.ParseFloat(os.Getenv(name), 64)
	if err != nil {
		return otherwise
	}
	return value
}
