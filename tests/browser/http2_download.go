// Downloads a URL so many times at once, as net/http does by default, and says for each by which
// protocol it came and how many bytes there were.
//
//	download CA URL TIMES
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
)

func download(client *http.Client, url string) string {
	response, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	// As much at a time as a bufio.Reader takes.
	buffer := make([]byte, 4096)
	size := 0
	for {
		count, err := response.Body.Read(buffer)
		size += count
		if err == io.EOF {
			return fmt.Sprintf("%s %d", response.Proto, size)
		}
		if err != nil {
			return fmt.Sprintf("%v after %d bytes", err, size)
		}
	}
}

func main() {
	authority, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: trusted},
		ForceAttemptHTTP2: true,
	}}
	times, err := strconv.Atoi(os.Args[3])
	if err != nil {
		panic(err)
	}
	said := make(chan string)
	for range times {
		go func() { said <- download(client, os.Args[2]) }()
	}
	for range times {
		fmt.Println(<-said)
	}
}
