/* Load of messages over STOMP, for benchmarks: what a topic, a queue and a reply cost the server.
 *
 * usage: messages KIND PORT CONNECTIONS DEPTH MILLISECONDS LOGIN ANSWERS OTHER ANSWERS < login, other's login, message
 *
 * KIND is
 *   fan    one publisher, CONNECTIONS subscribers: DEPTH messages at once, the next when all have come to all;
 *   queue  every connection sends to a queue and receives from it, DEPTH outstanding on each; what says "ack" is acknowledged;
 *   batch  as queue, but of what is read at once only the last is acknowledged, which stands for all before it (ack:client);
 *   reply  CONNECTIONS ask through a queue, DEPTH outstanding on each, and one more connection answers to their reply-to.
 *
 * LOGIN and OTHER are octets of what the many and the one say first, ANSWERS the NULs that come back for it. Prints "ready", waits for SIGUSR1, works, prints "MESSAGES NANOSECONDS", and keeps the connections until SIGTERM. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 2048, INPUT = 1 << 16, OUTPUT = 1 << 20, FRAME = 8192 };

struct connection {
    int fd;
    size_t kept; /* octets of a frame that has only begun */
    char input[FRAME];
};

static struct connection connections[MOST];
static char text[INPUT], output[OUTPUT];
static size_t written;
static const char *message;
static size_t message_length;

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

static void put(const char *data, size_t length)
{
    if (written + length > sizeof output) {
        fprintf(stderr, "too much to send\n");
        exit(1);
    }
    memcpy(output + written, data, length);
    written += length;
}

static void flush(int fd)
{
    for (size_t at = 0; at < written;) {
        ssize_t sent = send(fd, output + at, written - at, MSG_NOSIGNAL);
        if (sent < 0)
            fail("send");
        at += sent;
    }
    written = 0;
}

/* The value of a header, up to its line feed; its name begins with a line feed and ends with a colon. */
static const char *header(const char *frame, const char *name, size_t *length)
{
    const char *found = strstr(frame, name);
    if (!found)
        return NULL;
    found += strlen(name);
    *length = strcspn(found, "\n");
    return found;
}

static void acknowledge(const char *frame)
{
    size_t length;
    const char *id = header(frame, "\nack:", &length);
    if (id) {
        put("ACK\nid:", 7);
        put(id, length);
        put("\n\n", 3);
    }
}

static void answer(const char *frame)
{
    size_t length;
    const char *place = header(frame, "\nreply-to:", &length);
    if (!place) {
        fprintf(stderr, "nowhere to reply to\n");
        exit(1);
    }
    put("SEND\ndestination:", 17);
    put(place, length);
    put("\n\nanswer", 9);
}

/* Acknowledgements that stand for those before them: the last one of what is read at once is enough (1.2, "SUBSCRIBE"). */
static char last_ack[FRAME];

static void note(const char *frame)
{
    size_t length;
    const char *id = header(frame, "\nack:", &length);
    if (id && length < sizeof last_ack) {
        memcpy(last_ack, id, length);
        last_ack[length] = 0;
    }
}

static void acknowledge_noted(void)
{
    if (*last_ack) {
        put("ACK\nid:", 7);
        put(last_ack, strlen(last_ack));
        put("\n\n", 3);
        *last_ack = 0;
    }
}

/* The frames that have come on a connection; each is shown to see, if there is one. */
static long hear(struct connection *from, void (*see)(const char *))
{
    static char buffer[INPUT + FRAME + 1];
    memcpy(buffer, from->input, from->kept);
    ssize_t got = recv(from->fd, buffer + from->kept, INPUT, MSG_DONTWAIT);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        fprintf(stderr, "a connection was closed\n");
        exit(1);
    }
    char *at = buffer, *end = buffer + from->kept + got, *stop;
    long frames = 0;
    for (; (stop = memchr(at, 0, end - at)); at = stop + 1, frames++) {
        while (*at == '\n')
            at++;
        if (!strncmp(at, "ERROR", 5)) {
            fprintf(stderr, "%s\n", at);
            exit(1);
        }
        if (see)
            see(at);
    }
    from->kept = end - at;
    if (from->kept > FRAME) {
        fprintf(stderr, "a frame is too long\n");
        exit(1);
    }
    memcpy(from->input, at, from->kept);
    return frames;
}

static void open_connection(struct connection *made, int port, const char *login, size_t length, long wanted)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    made->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (made->fd < 0 || connect(made->fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    setsockopt(made->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(made->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    put(login, length);
    flush(made->fd);
    for (long long end = now() + 10000000000LL; wanted > 0;) {
        wanted -= hear(made, NULL);
        if (now() > end) {
            fprintf(stderr, "no answer to the login\n");
            exit(1);
        }
        usleep(wanted ? 200 : 0);
    }
}

static void ask(int fd, long count)
{
    while (count--)
        put(message, message_length);
    flush(fd);
}

int main(int argc, char **argv)
{
    if (argc != 10)
        return fprintf(stderr, "usage: messages KIND PORT CONNECTIONS DEPTH MILLISECONDS LOGIN ANSWERS OTHER ANSWERS < all of it\n"), 2;
    int is_fan = !strcmp(argv[1], "fan"), is_reply = !strcmp(argv[1], "reply"), is_batch = !strcmp(argv[1], "batch"), port = atoi(argv[2]), signal;
    long count = atol(argv[3]), depth = atol(argv[4]);
    long long span = atoll(argv[5]) * 1000000LL;
    size_t login = atol(argv[6]), other = atol(argv[8]), length = fread(text, 1, sizeof text, stdin);
    if (count < 1 || count >= MOST || depth < 1 || login + other >= length)
        return fprintf(stderr, "impossible arguments\n"), 2;
    message = text + login + other;
    message_length = length - login - other;

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    int poll = epoll_create1(0), has_other = is_fan || is_reply; /* the other one is the last */
    for (long i = 0; i < count + has_other; i++) {
        open_connection(&connections[i], port, i < count ? text : text + login, i < count ? login : other, atol(argv[i < count ? 7 : 9]));
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &event);
    }
    usleep(100000); /* a server that answers to no login has accepted all by now */
    puts("ready");
    fflush(stdout);
    sigwait(&signals, &signal);

    long long begun = now(), end = begun + span;
    long heard_all = 0, outstanding = 0;
    if (is_fan) {
        ask(connections[count].fd, depth);
        outstanding = depth * count;
    } else
        for (long i = 0; i < count; i++, outstanding += depth)
            ask(connections[i].fd, depth);
    struct epoll_event events[256];
    while (outstanding) {
        int ready = epoll_wait(poll, events, 256, 10000), more = now() < end;
        if (ready <= 0)
            return fprintf(stderr, "%ld messages did not come\n", outstanding), 1;
        for (int i = 0; i < ready; i++) {
            long at = events[i].data.u32;
            struct connection *from = &connections[at];
            if (is_reply && at == count) { /* it asks for nothing itself */
                hear(from, answer);
                flush(from->fd);
                continue;
            }
            long heard = hear(from, is_fan || is_reply ? NULL : is_batch ? note : acknowledge);
            acknowledge_noted();
            heard_all += heard;
            if (!is_fan && more && heard)
                ask(from->fd, heard);
            else {
                flush(from->fd);
                outstanding -= heard;
            }
        }
        if (is_fan && !outstanding && more) {
            ask(connections[count].fd, depth);
            outstanding = depth * count;
        }
    }
    printf("%ld %lld\n", heard_all, now() - begun);
    fflush(stdout);
    sigwait(&signals, &signal);
    return 0;
}
