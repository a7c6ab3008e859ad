"""The words of a finding in Chinese, those of the alerts' annotations; see ``phrases_en``."""

from __future__ import annotations

from collections.abc import Mapping

PHRASES: Mapping[str, str] = {
    "on_node": "节点 {node}",
    "on_node_of": "集群 {cluster} 节点 {node}",
    "in_cluster": "集群",
    "in_cluster_of": "集群 {cluster}",
    "conflict seen": "端口冲突：{where}。",
    "conflict recorded": "记录表明存在或曾有端口冲突：{where}。",
    "conflict next_start": "目前没有端口冲突，但下次启动会遇到：{where}。",
    "where": "{node} 上 {endpoint} 的端口 {port}",
    "where_all_nodes": "所有节点上的 {endpoint}",
    "no_conflict": "{nodes} 没有端口冲突。",
    "cannot_tell": "无法判断是否存在端口冲突。",
    "not_looked_at": "没有查看的节点：{nodes}。",
    "summary OpenGaussCMPortConflict": "节点的 CM 端口被占用，该节点的 cm_server 无法启动。",
    "summary OpenGaussDBPortConflict": "节点的数据库端口被占用，该节点的数据库实例（gaussdb）无法"
    "启动。",
    "summary OpenGaussCMAgentPortConflict": "cm_agent 自己的端口被占用，该节点上的组件都不会被拉"
    "起和监管。",
    "summary OpenGaussDSSPortConflict": "节点的 DSS 端口被占用，该节点的 dssserver 和数据库实例无"
    "法启动。",
    "summary OpenGaussDMSPortConflict": "节点的 DMS 端口被占用，该节点的数据库实例（gaussdb）无法"
    "启动。",
    "summary OpenGaussHeartbeatPortConflict": "数据库实例的心跳端口被占用；数据库继续运行，但没有"
    "心跳。",
    "summary OpenGaussPortConflict": "配置中要求监控的端口被其他进程占用。",
    "summary OpenGaussCMPortConflictAllNodes": "所有节点的 CM 端口都被占用，cm_server 均无法启动，"
    "cm_ctl query 全部报错。",
    "summary OpenGaussDBPortConflictAllNodes": "所有节点的数据库端口都被占用，没有数据库实例能够"
    "启动。",
    "summary OpenGaussPortConflictLatent": "组件的端口已被占用，下次启动将失败。",
    "summary OpenGaussPortConflictLeftStopped restart_limit": "端口冲突已经消失，但 CM 已停止该实"
    "例，不会再自动拉起。",
    "summary OpenGaussPortConflictLeftStopped unknown": "端口冲突已经消失，但该实例处于停止状态，"
    "可能由 CM 停止，也可能由运维人员停止。",
    "summary OpenGaussPortConflictPassed": "端口刚才被占用，现已释放，但对应的组件仍未启动。",
    "summary OpenGaussPortEphemeralRisk": "内核可能把集群的端口分配给该节点的任意一个对外连接。",
    "summary OpenGaussPortDuplicate": "同一节点上的两个组件配置了同一端口。",
    "summary OpenGaussAddressMissing": "组件需要监听的地址不在该节点的任何网卡上。",
    "each_taken": "{place}：全部 {count} 个 {endpoint} 实例的端口都被占用。",
    "the_port": "{place}：{endpoint}（实例 {instance_id}）的端口 {port}",
    "not_held": " 没有被自己的进程持有。",
    "refused_stopped": " 在该组件下次启动时将无法使用，目前组件被有意停止或集群处于暂停状态。",
    "refused_running": " 在该组件下次启动时将无法使用，目前组件仍在运行。",
    "reason": "\n原因 {reason}：",
    "reason foreign_listener": "不属于本集群的程序正在监听该端口。",
    "reason ipv6_listener": "有程序在 [::] 上双栈监听，同时占用了 IPv4 端口。",
    "reason bound_not_listening": "有套接字绑定了该端口，但没有监听。",
    "reason other_address_listener": "有程序在本组件不使用的地址上监听该端口。",
    "reason connection": "不属于本集群的进程有一条连接，恰好把该端口用作本地端口。",
    "reason leftover": "本组件的旧进程仍然占用该端口。",
    "reason sibling": "本集群的另一个进程占用该端口：继承了套接字，或两个组件配置了同一端口。",
    "reason unidentified": "无法判断套接字属于谁。",
    "check_sees": "cm_agent 看到该端口上有监听，因而不拉起该组件。",
    "check_blind": "cm_agent 的检查看不到这种占用：它会反复拉起该组件，每次都绑定失败。",
    "check_elsewhere": "cm_agent 只检查 cluster_static_config 中的端口，该端口不在其中："
    "它会反复拉起该组件，每次都绑定失败。",
    "holder": "\n{node} 端口 {port} 的占用者：{relation}",
    "relation foreign": "外部进程",
    "relation leftover": "本组件的旧进程",
    "relation sibling": "本集群的其他进程",
    "relation unidentified": "身份不明",
    "holder_unseen": "，exporter 看不到该进程",
    "holder_process": " {process}，pid {pid}，程序 {exe}",
    "holder_user": "，用户 {user}",
    "holder_unit": "，服务 {unit}",
    "holder_container": "，容器 {container}",
    "holder_address": "，地址 {address}",
    "holder_since": "，启动时间 {since}",
    "holder_end": "。",
    "more_holders": "\n另有 {count} 个占用者。",
    "majority": "\n有 {count} 个 cm_server 的 CM 端口被占用，已是多数：使用 DCC 时无法选出主"
    " cm_server，因此所有节点上的 cm_ctl query 都会报错，包括端口空闲的节点。",
    "not_watched": "\n该集群有 {count} 个节点目前没有被监控，受影响的可能更多。",
    "as_root": "以 root 用户执行：",
    "do_on": "\n- 在 {node} 上：",
    "do_unowned": "该套接字没有所属进程，或 exporter 无权看到。请等待最多 60 秒，这类套接字会自行"
    "过期。仍未消失时执行 ss -tanp 'sport = :{port}'，查明是什么。",
    "do_unseen": "exporter 无权看到该进程，请执行 ss -tanp 'sport = :{port}' 找到它。先查明是什么"
    "进程再停止，切勿使用 kill -9。",
    "do_unit": "允许停止时：\n  systemctl stop '{unit}'",
    "do_no_start": "先查明 pid {pid} 是什么进程再停止，切勿使用 kill -9：TZ=UTC ps -o"
    " pid,lstart,user,args -p {pid}",
    "do_kill": "先确认仍是同一进程：\n"
    "  TZ=UTC ps -o pid,lstart,user,args -p {pid}\n"
    "  显示的启动时间应为 {since}，误差不超过一秒；其他进程不要动。允许停止时（切勿使用 -9）：\n"
    "  kill {pid}",
    "do_container": "\n  该进程运行在容器中，也可以执行：\n  docker stop {container}",
    "do_not_stop": "不要手动停止 pid {pid}：它是本集群自己的进程。查看：TZ=UTC ps -o"
    " pid,lstart,user,args -p {pid}",
    "do_not_stop unidentified": "不要手动停止 pid {pid}：它可能是本集群自己的进程。查看：TZ=UTC"
    " ps -o pid,lstart,user,args -p {pid}",
    "do_leftover": "，并与同一实例的新进程比较。如果它不自行退出，以集群用户停止并启动本节点的实"
    "例：{control} stop{option}; {control} start{option}",
    "do_sibling": "，并比较两个组件配置的端口。如果端口不同，说明它继承了套接字：以集群用户停止并"
    "启动本节点的实例：{control} stop{option}; {control} start{option}",
    "do_find_out": "，查明是什么进程。",
    "no_holder": "\n- 此刻看不到占用者：ss -tanp 'sport = :{port}'",
    "no_holders": "\n- 此刻看不到占用者。",
    "then_before_start": "\n请在该组件下次启动之前处理；目前没有组件因此停止。",
    "then_cm_server": "\n端口释放后，cm_agent 会在 2 秒内自动拉起 cm_server。",
    "then_datanode": "\n端口释放后，cm_agent 会在 2 秒内自动拉起数据库实例；资源池化（DSS 和 DMS）"
    "下连续五次启动失败后不再拉起，此时不必等待。",
    "then_cm_agent": "\n端口释放后，om_monitor 会在 2 秒内自动拉起 cm_agent，再由 cm_agent 拉起本"
    "节点的其他组件。",
    "then_resource": "\nCM 在约半分钟内连续五次启动失败后不再拉起：此后只释放端口是不够的，还需要"
    "启动本节点。",
    "then_heartbeat": "\n端口释放后，gaussdb 会自行打开该端口；在此之前数据库继续运行。",
    "then_other": "\n端口释放后，请确认该组件已经启动；如果没有自动启动，请手动启动。",
    "then_query": "然后以集群用户（不是 root）在任一节点查询：\n"
    "  cm_ctl query -Cvipd\n"
    "没有 Down 且 cluster_state 为 Normal 即为恢复。一分钟后仍未恢复时（处于 Starting 的数据库实例"
    "需要更久）：\n"
    "  cm_ctl start{option}\n"
    "请检查它的输出（即使失败，退出码也是 0），并再次查询。",
    "then_nothing": "\n该集群没有 CM，端口释放后没有任何程序会自动拉起该组件。",
    "then_gs_om": "然后以集群用户（不是 root）在任一节点执行：{start}\n"
    "  gs_om -t status --detail\n"
    "cluster_state 为 Normal 即为恢复。",
    "then_gs_om_start": "\n  gs_om -t start{option}",
    "left_by_limit": "{place}：CM 在达到重启次数上限后停止了实例 {instance_id}。当时日志报告"
    " {endpoint} 的端口 {port} 被占用，最后一次在 {time}。\n"
    "目前端口已没有障碍，但 CM 在 $GAUSSHOME/bin 下留下的标记文件使本节点的实例保持停止。",
    "left_by_somebody": "{place}：$GAUSSHOME/bin 下的标记文件使实例 {instance_id} 保持停止，日志"
    "没有说明由谁创建。当时日志报告 {endpoint} 的端口 {port} 被占用，最后一次在 {time}。\n"
    "目前端口已没有障碍。",
    "do_left": "以集群用户执行：cm_ctl start{option}。请检查它的输出：即使失败，退出码也是 0。然"
    "后查询：cm_ctl query -Cvipd\n"
    "确认端口不再被占用：ss -tanp 'sport = :{port}'",
    "do_left without_cm": "以集群用户执行：gs_om -t start{option}。然后查询：gs_om -t status"
    " --detail\n"
    "确认端口不再被占用：ss -tanp 'sport = :{port}'",
    "passed": "{place}：日志报告 {endpoint}（实例 {instance_id}）的端口 {port} 被占用，最后一次在"
    " {time}。\n"
    "占用者已经消失，或者只绑定而没有监听（Linux 6.8 之前的内核无法显示）。组件没有运行，也没有标"
    "记文件使它停止。",
    "do_passed": "请等待一分钟：CM 会在数秒内自动拉起该组件。然后以集群用户查询：cm_ctl query"
    " -Cvipd\n"
    "仍未启动：以 root 用户执行 ss -tanp 'sport = :{port}'，并查看该组件自己的日志。端口空闲时执行"
    " cm_ctl start，请检查它的输出：即使失败，退出码也是 0。",
    "do_passed without_cm": "该集群没有 CM，没有任何程序会自动拉起该组件。以集群用户查询：gs_om -t"
    " status --detail\n"
    "仍未启动：以 root 用户执行 ss -tanp 'sport = :{port}'，并查看该组件自己的日志。端口空闲时执行"
    " gs_om -t start{option}",
    "ephemeral": "{place}：{endpoint}（实例 {instance_id}）的端口 {port} 在"
    " net.ipv4.ip_local_port_range 范围内，并且没有加入 net.ipv4.ip_local_reserved_ports。\n"
    "组件停止期间，任何程序的对外连接都可能占用该端口，此时没有监听者，但下次启动会失败。",
    "do_ephemeral": "查看已保留的端口：sysctl -n net.ipv4.ip_local_reserved_ports\n"
    "在 /etc/sysctl.d 的文件中把 {port} 加入该列表，然后加载：sysctl --system",
    "duplicate": "{place}：端口 {port} 同时属于 {owners}。后启动的组件将启动失败。",
    "duplicate_owner": "{endpoint}（实例 {instance_id}）",
    "duplicate_comma": "、",
    "do_duplicate": "在 {node} 上查看每个端口的来源：opengauss-cm-exporter discover\n"
    "在所有节点上为其中一个组件更换端口，然后重启该组件。",
    "address": "{place}：{endpoint}（实例 {instance_id}，端口 {port}）配置的监听地址不在任何网卡"
    "上。\n"
    "下次启动会失败，日志内容与端口被占用时相同（“could not bind”，错误码 99），但端口并没有被占"
    "用。",
    "do_address": "在 {node} 上执行 ip -br addr，并与应有的地址比较：opengauss-cm-exporter"
    " discover\n"
    "恢复网卡或虚拟 IP，或更正配置。",
    "evidence_socket": "{socket} 被 {who} 占用（{relation}）",
    "evidence_report": "特征 {signature} 报告端口 {port} 被占用，最后一次在 {time}",
    "open_nothing_here": "{node}：没有发现 openGauss 的安装，因此无法判断该主机的情况。查看查找过的"
    "内容及位置：opengauss-cm-exporter discover\n"
    "请在集群节点上以集群的操作系统用户或 root 运行 diagnose；或在配置中指定该用户的环境变量文件"
    "（键 installation.env_file，见 --config.file）；或查询运行着 exporter 的节点："
    "opengauss-cm-exporter diagnose --node http://节点:19836",
    "open_collector": "{node}：采集器 {collector} 运行失败，缺少相应的信息。",
    "open_attribution": "{node}：exporter 无权看到套接字所属的进程。请以 root 用户执行："
    "opengauss-cm-exporter diagnose",
    "open_bound": "{node}：该内核不显示只绑定而没有监听的套接字（Linux 6.8 之前）；这样的占用者看"
    "起来就像已经消失。",
    "open_silent": "无法从 {origin} 读取指标（{reason}）：该节点的情况未知。",
    "open_members": "没有查看的节点：{nodes}。在这里无法判断其端口是否被占用，因此也无法判断是否"
    "所有节点都受影响。",
    "first_all_nodes": "请一并查看所有节点：opengauss-cm-exporter diagnose --all-nodes",
    "first_again": "这只是一次查看；启动过程中端口被短暂占用并非故障（告警会等待 15 秒）。停止任何"
    "进程之前，请在 15 秒后再次诊断，确认仍是同一进程。",
    "summary OpenGaussClusterUnavailable": "集群没有可用的主节点，数据库无法提供服务。",
    "summary OpenGaussCMQueryFailing": "所有节点都无法从主 cm_server 得到查询结果。",
    "summary OpenGaussClusterDegraded": "集群可用，但有实例或资源不正常。",
    "summary OpenGaussCMServerDown": "有 cm_server 停止，或所有节点都无法连接它。",
    "summary OpenGaussDatanodeDown": "有数据库实例停止，或其 cm_agent 失去联系。",
    "summary OpenGaussStartFailed": "集群启动失败，此后集群一直没有恢复正常。",
    "summary OpenGaussNodeViewsDisagree": "各节点看到的集群状态不一致。",
    "conflict_known": "存在端口冲突，请查看其告警。",
    "no_conflict_known": "有上报的节点没有发现端口冲突。",
    "unavailable": "{place}：在 {count} 个节点的查询结果中 cluster_state 为 Unavailable。",
    "query_failing": "{place}：在全部 {count} 个有上报且未停止的节点上，cm_ctl query 都找不到主"
    " cm_server，或没有及时得到结果。数据库是否可用无法判断；CM 不会进行主备切换。",
    "degraded": "{place}：在 {count} 个节点的查询结果中 cluster_state 为 Degraded。",
    "server_down": "{place}：在所有有效的查询结果中，cm_server（实例 {instance_id}）均为 Down。",
    "datanode_down": "{place}：在 CM 的查询结果中，数据库实例 {instance_id} 为 Down。",
    "gave_up": "{place}：在该节点上执行的 cm_ctl 于 {time} 放弃启动。",
    "views": "{place}：",
    "sees": "{count} 个节点看到 {state}；",
    "sees_nothing": "{node} 得不到查询结果（{outcome}）；",
    "cut": "节点之间的网络可能中断。",
    "do_query": "在任一节点上以集群用户执行：cm_ctl query -Cvipd\n"
    "查看每个实例的状态，并在其所在节点上查看 $GAUSSLOG/cm 下和数据库的最新日志。",
    "do_query_failing": "在每个节点上以集群用户执行：cm_ctl query -Cvipd\n"
    "对每个状态为 Down 的 cm_server，在其节点上执行 ps -ef，并查看 $GAUSSLOG/cm/cm_agent 和"
    " $GAUSSLOG/cm/cm_server 下的最新日志。使用 DCC 时，多数 cm_server 必须正在运行并且能够互相连"
    "接。",
    "do_server_down": "在 {node} 上以集群用户执行 ps -ef，并查看 $GAUSSLOG/cm/cm_agent 和"
    " $GAUSSLOG/cm/cm_server 下的最新日志。\n"
    "如果该节点没有任何响应，请检查主机和网络。",
    "do_datanode_down": "以集群用户执行 cm_ctl query -Cvipd，查看 Down 后面的状态。\n"
    "然后在 {node} 上查看 $GAUSSLOG/cm/cm_agent 下最新的 cm_agent 日志、数据目录中的 DBstart.log "
    "和数据库日志。",
    "do_disagree": "在每个节点上以集群用户执行 cm_ctl query -Cvipd，比较各节点能连接到哪些"
    " cm_server。\n"
    "检查节点之间的网络：被隔离的节点会把其他节点都显示为 Down。",
    "open_stale": "{node}：这些信息是 {age} 秒前的，说明没有人采集该 exporter。重新查看："
    "opengauss-cm-exporter diagnose",
}
