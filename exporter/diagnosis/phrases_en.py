"""The words of a finding in English, those of the alerts' annotations.

A test compares every text with what Prometheus writes from the shipped rules.
"""

from __future__ import annotations

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    "on_node": "Node {node}",
    "on_node_of": "Cluster {cluster}, node {node}",
    "in_cluster": "The cluster",
    "in_cluster_of": "Cluster {cluster}",
    # what it comes to
    "conflict seen": "Port conflict: {where}.",
    "conflict recorded": "By the records there is or was a port conflict: {where}.",
    "conflict next_start": "No port conflict now, but a start would meet one: {where}.",
    "where": "{node}, port {port} of {endpoint}",
    "where_all_nodes": "{endpoint} on every node",
    "no_conflict": "No port conflict on {nodes}.",
    "cannot_tell": "Cannot determine whether there is a port conflict.",
    "not_looked_at": " Not looked at: {nodes}.",
    # what to do before anything else
    "first_all_nodes": "look at all nodes together: opengauss-cm-exporter diagnose --all-nodes",
    "first_again": "this is one look, and a port that is taken for a moment during a start is no"
    " fault (the alerts wait 15 s). Before you stop anything, diagnose again after 15 s, and go on"
    " only if it names the same process.",
    # what is wrong
    "summary OpenGaussCMPortConflict": "The CM port of a node is taken, so its cm_server cannot"
    " start.",
    "summary OpenGaussDBPortConflict": "The database port of a node is taken, so its gaussdb"
    " cannot start.",
    "summary OpenGaussCMAgentPortConflict": "cm_agent's own port is taken, so nothing on the node"
    " is started or supervised.",
    "summary OpenGaussDSSPortConflict": "The DSS port of a node is taken, so its dssserver and"
    " its database cannot start.",
    "summary OpenGaussDMSPortConflict": "The DMS port of a node is taken, so its gaussdb cannot"
    " start.",
    "summary OpenGaussHeartbeatPortConflict": "The heartbeat port of a datanode is taken; the"
    " database runs on without it.",
    "summary OpenGaussPortConflict": "A port that is watched by configuration is taken by"
    " something else.",
    "summary OpenGaussCMPortConflictAllNodes": "The CM port is taken on every node, so no"
    " cm_server can start and cm_ctl query gets no answer.",
    "summary OpenGaussDBPortConflictAllNodes": "The database port is taken on every node, so no"
    " gaussdb can start.",
    "summary OpenGaussPortConflictLatent": "The next start of a component would fail, because its"
    " port is taken.",
    "summary OpenGaussPortConflictLeftStopped restart_limit": "A port conflict is over, but CM"
    " has stopped the instance and will not start it again.",
    "summary OpenGaussPortConflictLeftStopped unknown": "A port conflict is over, but the"
    " instance is stopped, by CM or by an operator.",
    "summary OpenGaussPortConflictPassed": "A port was taken a moment ago and is free again, but"
    " its component is still down.",
    "summary OpenGaussPortEphemeralRisk": "The kernel may give a port of the cluster to any"
    " outgoing connection of the node.",
    "summary OpenGaussPortDuplicate": "Two components of a node are configured with one port.",
    "summary OpenGaussAddressMissing": "An address that a component must listen on is on no"
    " interface of its node.",
    # a port that is taken
    "each_taken": "{place}: each of its {count} {endpoint} instances has its port taken.",
    "the_port": "{place}: port {port} of {endpoint} (instance {instance_id})",
    "not_held": " is not held by its own process.",
    "refused_stopped": " would be refused at the next start of its component, which is stopped or"
    " paused on purpose.",
    "refused_running": " would be refused at the next start of its component, which is up now.",
    "reason": "\nReason {reason}:",
    "reason foreign_listener": " a program that is not this cluster's listens on it.",
    "reason ipv6_listener": " a program listens on [::] for IPv4 and IPv6 together.",
    "reason bound_not_listening": " a socket is bound to it without listening.",
    "reason other_address_listener": " a program listens on it, at an address that the component"
    " does not use.",
    "reason connection": " a connection of a process that is not this cluster's uses it as its"
    " local port.",
    "reason leftover": " an old process of the component itself still has it.",
    "reason sibling": " another process of this same cluster has it; it inherited the socket, or"
    " two components are configured with one port.",
    "reason unidentified": " cannot determine whose socket it is.",
    "check_sees": " cm_agent sees a listener on this port and does not start the component.",
    "check_blind": " cm_agent's check cannot see this: it starts the component again and again,"
    " and each time the bind fails.",
    "check_elsewhere": " cm_agent looks at the ports of cluster_static_config, and this is none of"
    " them: it starts the component again and again, and each time the bind fails.",
    "holder": "\nHolder on {node}, port {port}: {relation}",
    "relation foreign": "foreign",
    "relation leftover": "leftover",
    "relation sibling": "sibling",
    "relation unidentified": "unidentified",
    "holder_unseen": ", process not visible to the exporter",
    "holder_process": " process {process}, pid {pid}, program {exe}",
    "holder_user": ", user {user}",
    "holder_unit": ", unit {unit}",
    "holder_container": ", container {container}",
    "holder_address": ", on address {address}",
    "holder_since": ", running since {since}",
    "holder_end": ".",
    "more_holders": "\nAnd {count} more.",
    "majority": "\nThe CM ports of {count} cm_servers are taken, a majority: with DCC no"
    " cm_server can become primary, so cm_ctl query fails on every node, also where the port is"
    " free.",
    "not_watched": "\nNodes of the cluster that are not watched now: {count}. More may be"
    " affected.",
    # what to do about it
    "as_root": "As root:",
    "do_on": "\n- On {node}:",
    "do_unowned": " no process owns the socket, or none that the exporter may see. Wait up to 60"
    " s, such sockets expire. Still there: ss -tanp 'sport = :{port}' and find out what it is.",
    "do_unseen": " find the process, which the exporter may not see: ss -tanp 'sport = :{port}'."
    " Find out what it is before you stop it, and never with kill -9.",
    "do_unit": " if it may be stopped:\n  systemctl stop '{unit}'",
    "do_no_start": " find out what pid {pid} is before you stop it, and never with kill -9:"
    " TZ=UTC ps -o pid,lstart,user,args -p {pid}",
    "do_kill": " see that it still is the same process:\n"
    "  TZ=UTC ps -o pid,lstart,user,args -p {pid}\n"
    "  It must show a start at {since}, give or take a second; leave any other process alone. If"
    " it may be stopped (never with -9):\n"
    "  kill {pid}",
    "do_container": "\n  It runs in a container; the other choice is:\n  docker stop {container}",
    "do_not_stop": " do not stop pid {pid} by hand: it is this cluster's own. Look at it: TZ=UTC"
    " ps -o pid,lstart,user,args -p {pid}",
    "do_not_stop unidentified": " do not stop pid {pid} by hand: it may be this cluster's own."
    " Look at it: TZ=UTC ps -o pid,lstart,user,args -p {pid}",
    "do_leftover": " and compare it with the newer process of the same instance. When it does not"
    " end by itself, stop and start this node's instances, as the cluster user: {control}"
    " stop{option}; {control} start{option}",
    "do_sibling": " and compare the ports of the two components' configuration. When they differ,"
    " it inherited the socket: stop and start this node's instances, as the cluster user:"
    " {control} stop{option}; {control} start{option}",
    "do_find_out": " and find out what it is.",
    "no_holder": "\n- No holder is visible at this moment: ss -tanp 'sport = :{port}'",
    "no_holders": "\n- No holder is visible at this moment.",
    "then_before_start": "\nDo it before the component's next start; nothing is down because of"
    " it now.",
    "then_cm_server": "\nWhen the port is free, cm_agent starts cm_server by itself within 2 s.",
    "then_datanode": "\nWhen the port is free, cm_agent starts the instance by itself within 2 s;"
    " with shared storage (DSS and DMS) it gives up after five starts, then do not wait.",
    "then_cm_agent": "\nWhen the port is free, om_monitor starts cm_agent by itself within 2 s,"
    " and cm_agent the rest of the node.",
    "then_resource": "\nCM gives up after five starts, within about half a minute: freeing the"
    " port is then not enough, start the node.",
    "then_heartbeat": "\nWhen the port is free, gaussdb opens it by itself; the database runs on"
    " without it.",
    "then_other": "\nWhen the port is free, see that the component has started; if nothing starts"
    " it by itself, start it.",
    "then_query": " Then, as the cluster user (not root), on any node:\n"
    "  cm_ctl query -Cvipd\n"
    "All is well when nothing is Down and cluster_state is Normal. If it has not recovered after"
    " one minute (a datanode that is Starting needs longer):\n"
    "  cm_ctl start{option}\n"
    "Check its output: it exits 0 even on failure. Then query again.",
    "then_nothing": "\nThis cluster has no CM, so nothing starts the component by itself when the"
    " port is free.",
    "then_gs_om": " Then, as the cluster user (not root), on any node:{start}\n"
    "  gs_om -t status --detail\n"
    "All is well when cluster_state is Normal.",
    "then_gs_om_start": "\n  gs_om -t start{option}",
    # what is over, but has left something down
    "left_by_limit": "{place}: CM stopped instance {instance_id} itself when its restart limit"
    " was reached. At that time port {port} of {endpoint} was reported as taken, the last time at"
    " {time}.\n"
    "Nothing stands in the port's way now, but CM's marker in $GAUSSHOME/bin keeps the node's"
    " instances down.",
    "left_by_somebody": "{place}: a marker in $GAUSSHOME/bin keeps instance {instance_id}"
    " stopped, and the logs do not say who made it. At that time port {port} of {endpoint} was"
    " reported as taken, the last time at {time}.\n"
    "Nothing stands in the port's way now.",
    "do_left": "As the cluster user: cm_ctl start{option}. Check its output: it exits 0 even"
    " on failure. Then: cm_ctl query -Cvipd\n"
    "See to it that the port stays free: ss -tanp 'sport = :{port}'",
    "do_left without_cm": "As the cluster user: gs_om -t start{option}. Then: gs_om -t status"
    " --detail\n"
    "See to it that the port stays free: ss -tanp 'sport = :{port}'",
    "passed": "{place}: the logs reported port {port} of {endpoint} (instance {instance_id}) as"
    " taken, the last time at {time}.\n"
    "The holder is gone, or bound without listening, which kernels before Linux 6.8 cannot show."
    " The component does not run, and no marker keeps it stopped.",
    "do_passed": "Wait a minute: CM starts the component by itself within seconds. Then, as the"
    " cluster user: cm_ctl query -Cvipd\n"
    "Still down: as root, ss -tanp 'sport = :{port}', and read the component's own log. When the"
    " port is free: cm_ctl start. Check its output: it exits 0 even on failure.",
    "do_passed without_cm": "This cluster has no CM, so nothing starts the component by itself. As"
    " the cluster user: gs_om -t status --detail\n"
    "Still down: as root, ss -tanp 'sport = :{port}', and read the component's own log. When the"
    " port is free: gs_om -t start{option}",
    # risks
    "ephemeral": "{place}: port {port} of {endpoint} (instance {instance_id}) lies in"
    " net.ipv4.ip_local_port_range and is not in net.ipv4.ip_local_reserved_ports.\n"
    "While the component is down, a connection of any program may take the port, and the next"
    " start fails with nobody listening there.",
    "do_ephemeral": "Read the ports that are reserved already: sysctl -n"
    " net.ipv4.ip_local_reserved_ports\n"
    "Add {port} to that list in a file of /etc/sysctl.d, and load it: sysctl --system",
    "duplicate": "{place}: port {port} belongs to {owners}. Whichever starts last fails.",
    "duplicate_owner": "{endpoint} (instance {instance_id})",
    "duplicate_comma": ", ",
    "do_duplicate": "See where each port comes from, on {node}: opengauss-cm-exporter discover\n"
    "Give one of the components another port, on all nodes, and restart it.",
    "address": "{place}: {endpoint} (instance {instance_id}, port {port}) is configured to listen"
    " on an address that no interface has.\n"
    'Its next start fails with the words of a taken port ("could not bind", error 99), but no port'
    " is taken.",
    "do_address": "On {node}: ip -br addr, and compare with the addresses that it must have:"
    " opengauss-cm-exporter discover\n"
    "Bring the interface or the virtual address back, or correct the configuration.",
    # the facts behind a finding
    "evidence_socket": "{socket} is held by {who} ({relation})",
    "evidence_report": "signature {signature} reports port {port}, the last time at {time}",
    # what is left open
    "open_nothing_here": "{node}: no installation of openGauss was found, so nothing can be said of"
    " this host. To see what was looked for, and where: opengauss-cm-exporter discover\n"
    "Diagnose on a node of the cluster, as the cluster's OS user or as root; or name that user's"
    " environment file in the configuration (key installation.env_file, see --config.file); or ask"
    " a node where the exporter runs: opengauss-cm-exporter diagnose --node http://NODE:19836",
    "open_collector": "{node}: the collector {collector} failed, so its facts are missing here.",
    "open_attribution": "{node}: the exporter may not see the process behind a socket. As root:"
    " opengauss-cm-exporter diagnose",
    "open_bound": "{node}: this kernel does not show sockets that are bound without listening"
    " (Linux before 6.8); such a holder would look as if it were gone.",
    "open_silent": "Could not read metrics from {origin} ({reason}): what is on that node is not"
    " known.",
    "open_members": "Not looked at: {nodes}. Cannot determine from here whether a port is taken"
    " there, and so whether it is on all nodes.",
    # what CM says of the cluster
    "summary OpenGaussClusterUnavailable": "The cluster has no working primary, so the database"
    " cannot be used.",
    "summary OpenGaussCMQueryFailing": "No node gets an answer from a primary cm_server.",
    "summary OpenGaussClusterDegraded": "The cluster works, but an instance or a resource of it"
    " does not.",
    "summary OpenGaussCMServerDown": "A cm_server is down, or no node can reach it.",
    "summary OpenGaussDatanodeDown": "A datanode is down, or CM hears nothing from its cm_agent.",
    "summary OpenGaussStartFailed": "A start of the cluster has failed, and the cluster is not"
    " normal since.",
    "summary OpenGaussNodeViewsDisagree": "The nodes of a cluster see it in different states.",
    "conflict_known": " Ports are in conflict, see their alerts.",
    "no_conflict_known": " The nodes that report show no port conflict.",
    "unavailable": "{place}: cluster_state is Unavailable in the view of {count} node(s).",
    "query_failing": "{place}: cm_ctl query finds no primary cm_server, or no answer in time, on"
    " each of the {count} node(s) that report and are not stopped. Cannot determine whether the"
    " database works; CM will not fail over.",
    "degraded": "{place}: cluster_state is Degraded in the view of {count} node(s).",
    "server_down": "{place}: cm_server (instance {instance_id}) is Down, as every node says that"
    " gets an answer.",
    "datanode_down": "{place}: datanode {instance_id} is Down in CM's view.",
    "gave_up": "{place}: cm_ctl, run on this node, gave up its start at {time}.",
    "views": "{place}:",
    "sees": " {count} node(s) see {state};",
    "sees_nothing": " {node} gets no answer ({outcome});",
    "cut": " the network between the nodes may be cut.",
    "do_query": "As the cluster user, on any node: cm_ctl query -Cvipd\n"
    "Read the state of each instance and, on its node, the newest logs below $GAUSSLOG/cm and of"
    " the database.",
    "do_query_failing": "As the cluster user, on each node: cm_ctl query -Cvipd\n"
    "For every cm_server that is Down, on its node: ps -ef, and the newest logs in"
    " $GAUSSLOG/cm/cm_agent and $GAUSSLOG/cm/cm_server. With DCC a majority of the cm_servers must"
    " run and reach each other.",
    "do_server_down": "On {node}, as the cluster user: ps -ef, and the newest logs in"
    " $GAUSSLOG/cm/cm_agent and $GAUSSLOG/cm/cm_server.\n"
    "If the node does not answer at all, look at the host and at the network.",
    "do_datanode_down": "As the cluster user: cm_ctl query -Cvipd, and read the state behind"
    " Down.\n"
    "Then on {node}: the newest cm_agent log in $GAUSSLOG/cm/cm_agent, DBstart.log in the data"
    " directory, and the database's log.",
    "do_disagree": "As the cluster user, on each node: cm_ctl query -Cvipd. Compare which"
    " cm_server each node reaches.\n"
    "Check the network between the nodes: a node that is cut off shows all others as Down.",
    "open_stale": "{node}: these facts are {age} s old, so nobody scrapes this exporter. A fresh"
    " look: opengauss-cm-exporter diagnose",
}
