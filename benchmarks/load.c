/* Load for benchmarks: keeps DEPTH requests outstanding on each of CONNECTIONS and counts the answers.
 *
 * usage: load PORT CONNECTIONS DEPTH MILLISECONDS MARKS MARK LOGIN ANSWERED < login, request
 *
 * An answer holds MARKS times the octet MARK, whatever the protocol. If LOGIN octets come before the request, they are
 * sent first, and ANSWERED marks answer them. Prints "ready" when every connection has been answered
 * once, waits for SIGUSR1, works, prints "ANSWERS NANOSECONDS", and keeps the connections until it is told by SIGTERM,
 * so that whoever measures sees neither connects nor disconnects. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONNECTIONS = 1024, MAX_REQUEST = 65536, BUFFER = 1 << 20 };

static char text[MAX_REQUEST], *request = text, *batch, buffer[BUFFER];
static size_t length;
static int sockets[MAX_CONNECTIONS];
static long marks_seen[MAX_CONNECTIONS];
static int mark;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void ask(int socket, long count)
{
    size_t left = count * length;
    const char *at = batch;
    while (left) {
        ssize_t sent = send(socket, at, left, MSG_NOSIGNAL);
        if (sent < 0)
            fail("send");
        at += sent;
        left -= sent;
    }
}

/* The answers that have come on a connection since the last call. */
static long hear(int index, long marks)
{
    ssize_t got = recv(sockets[index], buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        fprintf(stderr, "a connection was closed\n");
        exit(1);
    }
    for (char *at = buffer, *end = buffer + got; (at = memchr(at, mark, end - at)); at++)
        marks_seen[index]++;
    long answers = marks_seen[index] / marks;
    marks_seen[index] %= marks;
    return answers;
}

static int open_connection(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 9)
        return fprintf(stderr, "usage: load PORT CONNECTIONS DEPTH MILLISECONDS MARKS MARK LOGIN ANSWERED < login, request\n"), 2;
    long connections = atol(argv[2]), depth = atol(argv[3]), marks = atol(argv[5]), login = atol(argv[7]), answered_by = atol(argv[8]);
    mark = atoi(argv[6]);
    long long span = atoll(argv[4]) * 1000000LL;
    length = fread(text, 1, sizeof text, stdin);
    if ((long)length <= login || connections < 1 || connections > MAX_CONNECTIONS || depth < 1 || marks < 1 || !(batch = malloc(length * depth)))
        return fprintf(stderr, "impossible arguments\n"), 2;
    request += login;
    length -= login;
    for (long i = 0; i < depth; i++)
        memcpy(batch + i * length, request, length);

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    int epoll = epoll_create1(0), signal;
    for (int i = 0; i < connections; i++) {
        sockets[i] = open_connection(atoi(argv[1]));
        if (login) {
            if (send(sockets[i], text, login, MSG_NOSIGNAL) != login)
                fail("send");
            for (long left = answered_by; left > 0; left -= hear(i, 1)) {
                struct pollfd readable = {.fd = sockets[i], .events = POLLIN};
                if (poll(&readable, 1, 10000) <= 0)
                    return fprintf(stderr, "no answer to the login\n"), 1;
            }
        }
        ask(sockets[i], 1);
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event);
    }
    struct epoll_event events[64];
    for (long answered = 0; answered < connections;) {
        int ready = epoll_wait(epoll, events, 64, 10000);
        if (ready <= 0)
            return fprintf(stderr, "no answer\n"), 1;
        for (int i = 0; i < ready; i++)
            answered += hear(events[i].data.u32, marks);
    }
    puts("ready");
    fflush(stdout);
    sigwait(&signals, &signal);

    long long begun = now(), end = begun + span;
    long answers = 0, outstanding = connections * depth;
    for (int i = 0; i < connections; i++)
        ask(sockets[i], depth);
    while (outstanding) {
        int ready = epoll_wait(epoll, events, 64, 10000), more = now() < end;
        if (ready <= 0)
            return fprintf(stderr, "no answer\n"), 1;
        for (int i = 0; i < ready; i++) {
            long heard = hear(events[i].data.u32, marks);
            answers += heard;
            if (heard && more)
                ask(sockets[events[i].data.u32], heard);
            else
                outstanding -= heard;
        }
    }
    printf("%ld %lld\n", answers, now() - begun);
    fflush(stdout);
    sigwait(&signals, &signal);
    return 0;
}
